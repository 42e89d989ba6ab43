/**
 * Kills the server and workers at random under clients of every kind, and no acknowledged change is lost. `npm run soak:chaos` kills each
 * 30 times; PENSTOCK_SEED repeats a run.
 */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { Server, temporaryDirectory } from '../end-to-end/server.ts';
import { randomOf } from './journal.ts';
import { killServer, killWorker } from './victims.ts';
import { Workload } from './workload.ts';

const isSoak = process.env.PENSTOCK_SOAK === '1';
const kills = isSoak ? { server: 30, worker: 30 } : { server: 2, worker: 2 };
const perKill = isSoak ? 60 : 15;

test('random kills lose no acknowledged change', { timeout: isSoak ? 3_600_000 : 200_000 }, async (t) => {
  const seed = Number(process.env.PENSTOCK_SEED ?? Math.floor(performance.now() * 1000));
  t.diagnostic(`PENSTOCK_SEED=${seed}`);
  const random = randomOf(seed);
  const [dataDir, folder] = [temporaryDirectory(), temporaryDirectory()];
  let server = await Server.start({ dataDir });
  t.after(async () => {
    await server.end();
    for (const directory of [dataDir, folder]) rmSync(directory, { recursive: true, force: true });
  });
  const workload = await Workload.start({ server: () => server, random: randomOf(seed + 1), folder, large: true });
  const left = { ...kills };
  while (left.server + left.worker > 0) {
    await workload.more(perKill);
    await new Promise((resolve) => setTimeout(resolve, random() * 400));
    const isServer = random() * (left.server + left.worker) < left.server;
    if (isServer) server = await killServer(server);
    else if (!killWorker(server, random)) continue;
    left[isServer ? 'server' : 'worker']--;
    assert.deepEqual(workload.faults, []);
  }
  await workload.more(perKill);
  await workload.stop();
  await server.inService('digits');
  await workload.assertKept();
  const { acknowledged, unknown } = workload.journal;
  t.diagnostic(`${JSON.stringify({ acknowledged, unknown, ...workload.inferences })}`);
  await server.end();
  const db = new DatabaseSync(join(dataDir, 'state.db'), { readOnly: true });
  t.after(() => db.close());
  assert.deepEqual({ ...db.prepare('pragma integrity_check').get() }, { integrity_check: 'ok' });
  // Each accepted request has one outcome, announced once.
  const { requests, events } = db
    .prepare(`select (select count(*) from async_requests) as requests, (select count(*) from events where kind like 'async.%') as events`)
    .get() as { requests: number; events: number };
  assert.equal(events, requests);
});
