/** The restore drill: back up a server under writes, kill it, restore the backup elsewhere, and check that nothing is missing. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { until } from './poll.ts';
import { penstock, plainEnvironment, type Server } from './server.ts';
import { Servers } from './servers.ts';

const directory = mkdtempSync(join(tmpdir(), 'penstock-backup-'));
const servers = new Servers();
after(() => rmSync(directory, { recursive: true, force: true }));

function run(...argv: string[]) {
  const { status, stdout, stderr } = spawnSync(penstock, argv, { encoding: 'utf8', env: plainEnvironment(), timeout: 120_000 });
  return { status, stdout, stderr };
}

/** Does not block, so the writers of this test continue. */
async function runConcurrently(...argv: string[]): Promise<{ code: number; output: string }> {
  const child = spawn(penstock, argv, { env: plainEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const [code] = (await once(child, 'close')) as [number];
  return { code, output };
}

/** Leaves the processor to the backup. */
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10));

/** Creates groups, and registers and deletes versions, until `stop`. `acknowledged`: the created groups with their times. */
function writers(server: Server) {
  let isOver = false;
  const acknowledged: { group: string; atMs: number }[] = [];
  const one = async (writer: number): Promise<void> => {
    for (let n = 0; !isOver; n++) {
      const group = `w${writer}-${n}`;
      await server.callWell('POST', '/groups', { name: group, description: 'x'.repeat(500) });
      acknowledged.push({ group, atMs: performance.now() });
      await pause();
    }
  };
  const churn = async (): Promise<void> => {
    // Deletes objects while the backup reads them.
    for (let n = 0; !isOver; n++) {
      const version = await server.register(`churn${n}`, n % 2 === 0 ? 'iris_rf_zipmap' : 'diabetes_rf');
      await server.callWell('DELETE', `/groups/${version.group}/versions/${version.version}`);
      await pause();
    }
  };
  const all = Promise.all([one(0), one(1), churn()]);
  const stop = async (): Promise<void> => {
    isOver = true;
    await all;
  };
  return { acknowledged, stop };
}

interface GroupList {
  readonly items: readonly { readonly name: string }[];
  readonly next: string | null;
}

async function groupsOf(server: Server): Promise<Set<string>> {
  const names = new Set<string>();
  for (let cursor = ''; ; ) {
    const page: GroupList = await server.callWell(
      'GET',
      `/groups?limit=500${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
    );
    for (const { name } of page.items) names.add(name);
    if (page.next === null) return names;
    cursor = page.next;
  }
}

async function drill(name: string, flags: readonly string[], restoreFlags: readonly string[]): Promise<void> {
  const dataDir = join(directory, name);
  const server = await servers.start({ dataDir, flags });
  await server.deploy('digits', 'digits_mlp');
  const { acknowledged, stop } = writers(server);
  await until('the writers have begun', () => acknowledged.length >= 20);
  const file = join(directory, `${name}.tar`);
  const beganAtMs = performance.now();
  const { code, output } = await runConcurrently('backup', file, '--data-dir', dataDir, ...flags);
  const endedAtMs = performance.now();
  await stop();
  assert.equal(code, 0, output);
  assert.match(output, /contains the server's keys/);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert(
    acknowledged.some(({ atMs }) => atMs > beganAtMs && atMs < endedAtMs),
    'nothing was written while the backup ran',
  );
  server.signal('SIGKILL');
  await server.ended;

  const elsewhere = join(directory, `${name}-restored`);
  const restored = run('restore', file, '--data-dir', elsewhere, ...restoreFlags);
  assert.equal(restored.status, 0, restored.stderr);
  const verified = run('verify', '--data-dir', elsewhere, ...restoreFlags);
  assert.equal(verified.status, 0, verified.stdout + verified.stderr);
  assert.match(verified.stdout, /0 damaged, 0 missing/);
  const again = await servers.start({ dataDir: elsewhere, flags: restoreFlags });
  await again.inService('digits');
  const { status } = await again.call('POST', '/endpoints/digits/invoke', { instances: [Array(64).fill(0)] });
  assert.equal(status, 200);
  assert.equal(again.adminKey, server.adminKey);
  const groups = await groupsOf(again);
  const lost = acknowledged.filter(({ group, atMs }) => atMs < beganAtMs && !groups.has(group));
  assert.deepEqual(lost, []);
  await again.end();
}

test('SQLite: the backup has everything acknowledged before it began, and the restored endpoint serves', async () => {
  await drill('sqlite', [], []);
});

test('PostgreSQL: the same', { skip: servers.skip }, async () => {
  const [from, to] = [await servers.createDatabase('drill_from'), await servers.createDatabase('drill_to')];
  await drill('postgres', ['--database-url', from], ['--database-url', to]);
});

describe('restore', () => {
  const file = join(directory, 'sqlite.tar');

  test('rejects a directory that is not empty, and leaves it unchanged', () => {
    const full = join(directory, 'full');
    mkdirSync(full);
    writeFileSync(join(full, 'mine'), '');
    const { status, stderr } = run('restore', file, '--data-dir', full);
    assert.equal(status, 1);
    assert.match(stderr, /is not empty/);
    assert.deepEqual(readdirSync(full), ['mine']);
  });

  test('rejects a truncated or modified backup, and leaves nothing behind', () => {
    const bytes = readFileSync(file);
    const cut = join(directory, 'cut.tar');
    writeFileSync(cut, bytes);
    truncateSync(cut, bytes.length - 4096);
    const changed = join(directory, 'changed.tar');
    const at = bytes.lastIndexOf('objects/');
    bytes[at + 512 + 200] = (bytes[at + 512 + 200] ?? 0) ^ 1;
    writeFileSync(changed, bytes);
    for (const [each, text] of [
      [cut, /cut off|end in the middle/],
      [changed, /is damaged/],
    ] as const) {
      const target = join(directory, 'nothing');
      const { status, stderr } = run('restore', each, '--data-dir', target);
      assert.notEqual(status, 0);
      assert.match(stderr, text);
      assert.deepEqual([existsSync(target), existsSync(`${target}.restoring`)], [false, false]);
    }
  });

  test('extracts nothing from an archive that is not a backup', () => {
    const evil = join(directory, 'evil.tar');
    spawnSync('tar', ['-cf', evil, '-P', '--transform', 's#.*#../../escaped#', '/etc/hostname']);
    const { status, stderr } = run('restore', evil, '--data-dir', join(directory, 'evil'));
    assert.notEqual(status, 0);
    assert.match(stderr, /an unexpected entry: '\.\.\/\.\.\/escaped'/);
  });
});

test('backup never overwrites a file, and verify lists damaged, missing and unreferenced objects', () => {
  const dataDir = join(directory, 'sqlite');
  const again = run('backup', join(directory, 'sqlite.tar'), '--data-dir', dataDir);
  assert.equal(again.status, 1);
  assert.match(again.stderr, /sqlite\.tar exists/);
  const [name = ''] = readdirSync(join(dataDir, 'objects/sha256'), { recursive: true })
    .map(String)
    .filter((path) => /[0-9a-f]{64}$/.test(path));
  const path = join(dataDir, 'objects/sha256', name);
  chmodSync(path, 0o600);
  const bytes = readFileSync(path);
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  writeFileSync(path, bytes);
  const orphan = 'ab'.repeat(32);
  mkdirSync(join(dataDir, 'objects/sha256/ab'), { recursive: true });
  writeFileSync(join(dataDir, 'objects/sha256/ab', orphan), 'x');
  const first = run('verify', '--data-dir', dataDir);
  assert.equal(first.status, 1, first.stdout);
  assert.match(first.stdout, new RegExp(`unreferenced.*objects/${orphan}`));
  rmSync(path);
  const second = run('verify', '--data-dir', dataDir);
  assert.match(second.stdout, /missing: objects\//);
  assert.match(first.stdout, /damaged: objects\//);
});
