/** A model file that was corrupted on disk is not served, by neither a new worker nor a restarted server. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { modelPath } from '../models/index.ts';
import { until } from './poll.ts';
import { penstock, plainEnvironment, Server, temporaryDirectory } from './server.ts';

const dataDir = temporaryDirectory();
const servers: Server[] = [];
after(async () => {
  for (const server of servers) await server.end();
});

async function start(): Promise<Server> {
  const server = await Server.start({ dataDir });
  servers.push(server);
  return server;
}

function cli(server: Server, ...argv: string[]): string {
  const env = { ...plainEnvironment(), PENSTOCK_URL: server.url, PENSTOCK_KEY: server.adminKey };
  const { stdout, stderr } = spawnSync(penstock, argv, { encoding: 'utf8', env, timeout: 120_000 });
  return stdout + stderr;
}

/** Flips the signs of weights in the stored artifact. Such a model still loads and answers. */
function damage(): void {
  const name = readdirSync(join(dataDir, 'objects/sha256'), { recursive: true }).find((path) => /[0-9a-f]{64}$/.test(String(path)));
  const path = join(dataDir, 'objects/sha256', String(name));
  const bytes = readFileSync(path);
  const middle = 4 * Math.floor(bytes.length / 8);
  for (let at = middle; at < middle + 400; at += 4) bytes[at] = (bytes[at] ?? 0) ^ 128;
  chmodSync(path, 0o600);
  writeFileSync(path, bytes);
}

test('an endpoint with a damaged model becomes Failed and says why; registering the model again repairs it', async () => {
  const first = await start();
  await first.deploy('digits', 'digits_mlp');
  damage();
  // A restarted worker reads the file again.
  for (const { pid } of first.workers()) process.kill(pid, 'SIGKILL');
  await until('the endpoint failed', async () => {
    const { status, reason } = await first.endpoint('digits');
    return status === 'Failed' && /is damaged: expected the sha256/.test(String(reason));
  });
  const { status } = await first.call('POST', '/endpoints/digits/invoke', { instances: [Array(64).fill(0)] });
  assert(status >= 500, `expected a server error, got ${status}`);
  assert.match(cli(first, 'describe', 'digits'), /Failed[^]*is damaged: expected the sha256/);
  // A worker that is warm, with no model yet, checks the file as well.
  await first.callWell('POST', '/endpoints', { name: 'again', variants: [{ model: 'digits/1', instance_count: 1 }] });
  await until('the second endpoint failed', async () => /is damaged/.test(String((await first.endpoint('again')).reason)));
  await first.end();
  assert.match(cli(first, 'verify', '--data-dir', dataDir), /damaged: objects\//);

  const second = await start();
  await until('the endpoint failed', async () => /is damaged/.test(String((await second.endpoint('digits')).reason)));
  await second.callWell('POST', '/groups/digits/versions?name=again.onnx', readFileSync(modelPath('digits_mlp')));
  await until('the endpoint serves', async () => (await second.endpoint('digits')).status === 'InService', 60_000);
});
