/**
 * What we publish, as a user gets it: packed in a copy of the checkout, installed into an empty folder, and asked for a
 * prediction there. Needs the package registry or npm's cache of it; skips where it has neither.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { publint } from 'publint';

const checkout = fileURLToPath(new URL('..', import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'penstock-pack-'));
const user = join(root, 'user');
const servers: ChildProcess[] = [];

after(async () => {
  for (const server of servers) {
    if (server.exitCode !== null || server.signalCode !== null) continue;
    server.kill('SIGKILL');
    await once(server, 'exit');
  }
  rmSync(root, { recursive: true });
});

/** Without the checkout's node_modules/.bin in the PATH, and without what npm tells its scripts; whom to trust on the way to a registry stays. */
const env = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_(?!EXTRA_CA_CERTS)|PENSTOCK_)/.test(name))),
  PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ''}`,
  ONNXRUNTIME_NODE_INSTALL: 'skip',
};

function run(cwd: string, command: string, ...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(command, args, { cwd, env, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
}

function succeed(cwd: string, command: string, ...args: string[]): string {
  const { status, stdout, stderr } = run(cwd, command, ...args);
  assert.equal(status, 0, `${command} ${args.join(' ')}: ${stderr}${stdout}`);
  return stdout;
}

function pack(): string {
  const copy = join(root, 'checkout');
  mkdirSync(copy);
  const kept = readdirSync(checkout).filter((name) => !/^(\.git|node_modules|dist|penstock-data|.*\.tgz)$/.test(name));
  for (const name of kept) cpSync(join(checkout, name), join(copy, name), { recursive: true });
  symlinkSync(join(checkout, 'node_modules'), join(copy, 'node_modules'));
  succeed(copy, 'npm', 'pack', '--pack-destination', root);
  const tarball = readdirSync(root).find((name) => name.endsWith('.tgz'));
  assert(tarball !== undefined, 'npm pack wrote no tarball');
  return join(root, tarball);
}

/** Serves once the first line of stdout is there: `penstock ready http://...`. */
async function startServer(): Promise<{ server: ChildProcess; url: string }> {
  const server = spawn('node_modules/.bin/penstock', ['up', '--port', '0', '--data-dir', 'data', '--log-level', 'warn'], {
    cwd: user,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  servers.push(server);
  for await (const line of createInterface({ input: server.stdout })) {
    const url = /^penstock ready (http:\/\/\S+)$/.exec(line)?.[1];
    assert(url !== undefined, `expected the ready line, got: ${line}`);
    return { server, url };
  }
  throw new Error('the server ended before it was ready');
}

test('the package installs into an empty folder and predicts there', async (t) => {
  const tarball = pack();
  const files = succeed(root, 'tar', '-tzf', tarball).trim().split('\n');
  assert(files.includes('package/dist/main.js'));
  assert(files.includes('package/console/dist/index.html'));
  assert.deepEqual(
    files.filter((file) => /\.ts$|\.test\.|^package\/(?!bin|dist|console\/dist|assets|package\.json|LICENSE|NOTICE|README\.md)/.test(file)),
    [],
  );
  const { messages } = await publint({ pack: { tarball: new Uint8Array(readFileSync(tarball)).buffer }, strict: true });
  assert.deepEqual(messages, []);

  mkdirSync(user);
  writeFileSync(join(user, 'package.json'), '{"private":true}');
  const { status, stderr } = run(user, 'npm', 'install', '--prefer-offline', '--no-audit', '--no-fund', tarball);
  if (status !== 0 && /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENOTCACHED/.test(stderr)) {
    t.skip('no package registry within reach, and npm has not cached the dependencies');
    return;
  }
  assert.equal(status, 0, stderr);

  const manifest = JSON.parse(readFileSync(join(user, 'node_modules/penstock/package.json'), 'utf8')) as Record<string, unknown>;
  assert.doesNotMatch(JSON.stringify([manifest.dependencies, manifest.optionalDependencies]), /node-linux/);
  assert(statSync(join(user, 'node_modules/penstock/bin/penstock')).mode & 0o111, 'bin/penstock is executable');
  assert.equal(succeed(user, 'node_modules/.bin/penstock', '--version').trim(), manifest.version);

  const { server, url } = await startServer();
  succeed(user, 'node_modules/.bin/penstock', 'deploy', 'catalogue:digits-mlp', '--approve', '--name', 'digits', '--data-dir', 'data');
  const rows = readFileSync(join(user, 'node_modules/penstock/assets/catalogue/digits_test.csv'), 'utf8').split('\n');
  const pixels = (rows[1] ?? '').split(',').map(Number);
  const label = pixels.pop();
  const response = await fetch(`${url}/v2/models/digits/infer`, {
    method: 'POST',
    body: JSON.stringify({ inputs: [{ name: 'pixels', datatype: 'FP32', shape: [1, 64], data: pixels }], outputs: [{ name: 'label' }] }),
  });
  const { outputs } = (await response.json()) as { outputs: { data: number[] }[] };
  assert.deepEqual(outputs[0]?.data, [label]);

  // In a thread of its own, whose file must be in the package.
  const plan = succeed(
    user,
    'node_modules/.bin/penstock',
    'plan',
    'digits/1',
    '--rate',
    '50',
    '--objective',
    'p95<=1s',
    '--data-dir',
    'data',
  );
  assert.match(plan, /^chosen /m);

  server.kill('SIGTERM');
  assert.deepEqual(await once(server, 'exit'), [0, null]);
});
