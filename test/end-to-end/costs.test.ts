/** Recorded costs survive the server, however it ends. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { promisify } from 'node:util';
import type { CostsBody } from '../../src/api/index.ts';
import { sample } from '../models/index.ts';
import { infer } from './oip-client.ts';
import { until } from './poll.ts';
import { penstock, plainEnvironment, Server, temporaryDirectory } from './server.ts';

const run = promisify(execFile);
const digits = sample('digits_mlp');

async function call(server: Server, count: number): Promise<void> {
  for (let i = 0; i < count; i++) assert.equal((await infer(server.url, 'digits', digits.inputs)).status, 200);
}

/** The number of requests in the stored costs. */
function requestsStored(dataDir: string): number {
  const state = new DatabaseSync(join(dataDir, 'state.db'), { readOnly: true });
  try {
    return Number(state.prepare('select coalesce(sum(requests), 0) as requests from hourly_costs').get()?.requests);
  } finally {
    state.close();
  }
}

test('costs survive SIGKILL and a normal shutdown, and nothing is counted twice', async () => {
  const dataDir = temporaryDirectory();
  let server = await Server.start({ dataDir });
  try {
    const deployedAtMs = performance.now();
    await server.deploy('digits', 'digits_mlp');
    await call(server, 30);
    await until('the requests are on disk', () => requestsStored(dataDir) === 30);
    server.signal('SIGKILL');
    await server.ended;
    await server.end();

    server = await Server.start({ dataDir });
    const { total } = await server.callWell<CostsBody>('GET', '/costs?endpoint=DIGITS');
    assert.equal(total.requests, 30);
    assert(total.instance_seconds > 0 && total.instance_seconds <= (performance.now() - deployedAtMs) / 1000);
    await server.inService('digits');
    await call(server, 20);
    await server.end();
    assert.equal(requestsStored(dataDir), 50);

    server = await Server.start({ dataDir });
    const env = { ...plainEnvironment(), PENSTOCK_URL: server.url };
    const { stdout } = await run(penstock, ['costs', '--since', '2h'], { env });
    assert.match(
      stdout,
      /^ENDPOINT .*\ndigits +AllTraffic +\$\S+ +\$0 +\$\S+ +50 .*\ntotal .* 50 .*\nfrom .* UTC, whole hours only; prices of \d{4}-\d\d-\d\d; .*\n$/,
    );
  } finally {
    await server.end();
    rmSync(dataDir, { recursive: true, force: true });
  }
});
