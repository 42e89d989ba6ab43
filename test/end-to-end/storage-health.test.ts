/** Checks of a server's own storage at startup: file permissions and lost commits. */
import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { StatusBody } from '../../src/api/index.ts';
import { until } from './poll.ts';
import { Server, temporaryDirectory } from './server.ts';

const servers: Server[] = [];
const directories: string[] = [];
after(async () => {
  for (const server of servers) await server.end();
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

async function start(dataDir: string): Promise<Server> {
  const server = await Server.start({ dataDir });
  servers.push(server);
  return server;
}

test('in a world-readable data directory, files of the server are not readable by other users', async () => {
  const dataDir = temporaryDirectory();
  directories.push(dataDir);
  mkdirSync(dataDir, { recursive: true });
  chmodSync(dataDir, 0o755);
  const server = await start(dataDir);
  await server.deploy('digits', 'digits_mlp');
  // Workers, which run as other users, read these.
  const forWorkers = ['compile-cache', 'isolation-root'];
  const names = readdirSync(dataDir).filter((name) => !forWorkers.includes(name));
  const open = names.filter((name) => (statSync(join(dataDir, name)).mode & 0o077) !== 0);
  const logs = readdirSync(join(dataDir, 'logs')).filter((name) => (statSync(join(dataDir, 'logs', name)).mode & 0o077) !== 0);
  assert.deepEqual([open, logs], [[], []]);
});

test('reports a database that lost commits', async () => {
  const dataDir = temporaryDirectory();
  directories.push(dataDir);
  const first = await start(dataDir);
  await first.callWell('POST', '/groups', { name: 'early' });
  await first.end();
  const copy = join(dataDir, '..', `${dataDir.split('/').at(-1)}.copy`);
  copyFileSync(join(dataDir, 'state.db'), copy);
  const second = await start(dataDir);
  await second.callWell('POST', '/groups', { name: 'late' });
  await until('the sequence number is recorded', () => statSync(join(dataDir, 'state.db.sequence')).mtimeMs > statSync(copy).mtimeMs);
  await second.end();
  copyFileSync(copy, join(dataDir, 'state.db'));
  rmSync(copy);
  for (const suffix of ['-wal', '-shm']) rmSync(join(dataDir, `state.db${suffix}`), { force: true });
  const third = await start(dataDir);
  const { notes } = await third.callWell<StatusBody>('GET', '/status');
  assert.match(notes.join('\n'), /state\.db lost commits: its last event is \d+, but was \d+/);
  await until('the event is recorded', async () => {
    const { items } = await third.callWell<{ items: { kind: string }[] }>('GET', '/events/recent?kind=storage');
    return items.some(({ kind }) => kind === 'storage.commits-lost');
  });
});
