/** A data directory belongs to its database: a server started with another database must not touch the objects. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { penstock, plainEnvironment, temporaryDirectory } from './server.ts';
import { Servers } from './servers.ts';

const dataDir = temporaryDirectory();
const servers = new Servers();
after(() => rmSync(dataDir, { recursive: true, force: true }));

function objects(): string[] {
  const names = readdirSync(join(dataDir, 'objects'), { recursive: true }).map(String);
  return names.filter((name) => /[0-9a-f]{64}$/.test(name));
}

function up(...flags: string[]) {
  const arguments_ = ['up', '--port', '0', '--data-dir', dataDir, ...flags];
  return spawnSync(penstock, arguments_, { encoding: 'utf8', env: plainEnvironment(), timeout: 60_000 });
}

test('rejects a PostgreSQL data directory without its database, and serves again with it', {
  skip: servers.skip,
}, async () => {
  const url = await servers.createDatabase('own');
  const first = await servers.start({ dataDir, flags: ['--database-url', url] });
  await first.deploy('digits', 'digits_mlp');
  await first.end();
  const stored = objects();
  assert(stored.length > 0);

  const refused = up();
  assert.equal(refused.status, 1, refused.stderr);
  assert.match(refused.stderr, new RegExp(`data directory ${dataDir} and the database SQLite .*--database-url postgres://penstock@`));
  assert.deepEqual(objects(), stored);

  const other = up('--database-url', await servers.createDatabase('another'));
  assert.equal(other.status, 1, other.stderr);
  assert.match(other.stderr, /do not belong together: the database is new/);
  assert.deepEqual(objects(), stored);

  const again = await servers.start({ dataDir, flags: ['--database-url', url] });
  await again.inService('digits');
  await again.end();
});

test('rejects a data directory whose state.db is missing, and serves again once it is restored', async () => {
  const directory = temporaryDirectory();
  try {
    const first = await servers.start({ dataDir: directory });
    await first.deploy('digits', 'digits_mlp');
    await first.end();
    const away = `${directory}.state.db`;
    spawnSync('mv', [join(directory, 'state.db'), away]);
    const refused = spawnSync(penstock, ['up', '--port', '0', '--data-dir', directory], { encoding: 'utf8', env: plainEnvironment() });
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /restore that database from a backup/);
    assert(!existsSync(join(directory, 'state.db')), 'a rejected start leaves no database');
    spawnSync('mv', [away, join(directory, 'state.db')]);
    const again = await servers.start({ dataDir: directory });
    await again.inService('digits');
    await again.end();
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
