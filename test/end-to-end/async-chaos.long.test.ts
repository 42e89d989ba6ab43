/**
 * Asynchronous requests while the server and workers are killed at random: each accepted request has exactly one outcome, complete and
 * correct.
 */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import type { AsyncBody } from '../../src/api/index.ts';
import { randomOf } from '../fault/journal.ts';
import { killServer, killWorker } from '../fault/victims.ts';
import { sample } from '../models/index.ts';
import { until } from './poll.ts';
import { Server, temporaryDirectory } from './server.ts';

const requests = 2000;
const kills = 30;
const clients = 6;

const pixels = new Float32Array(new Uint8Array(sample('digits_mlp').inputs[0]?.data ?? []).buffer);
const bodies = Array.from({ length: 8 }, (_, row) => JSON.stringify({ instances: [Array.from(pixels.subarray(row * 64, row * 64 + 64))] }));
const labels = [2, 0, 4, 9, 4, 1, 2, 4];

test(`${requests} requests have ${requests} outcomes despite ${kills} kills of server and workers`, { timeout: 500_000 }, async (t) => {
  const dataDir = temporaryDirectory();
  let server = await Server.start({ dataDir });
  t.after(async () => {
    await server.end();
    rmSync(dataDir, { recursive: true, force: true });
  });
  await server.deploy('digits', 'digits_mlp', { instances: 2 });
  const seed = Math.floor(performance.now() * 1000);
  t.diagnostic(`seed ${seed}`);
  const random = randomOf(seed);

  /** The body index of each accepted request, by id. */
  const accepted = new Map<string, number>();
  const submit = async (): Promise<void> => {
    for (let next = Math.floor(random() * 8); accepted.size < requests; next++) {
      const row = next % 8;
      try {
        const answer = await fetch(`${server.url}/api/v1/endpoints/digits/async`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: bodies[row] as string,
          signal: AbortSignal.timeout(10_000),
        });
        const body = (await answer.json()) as AsyncBody;
        if (answer.status === 202) accepted.set(body.id, row);
        else assert(answer.status >= 500, JSON.stringify(body));
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
        await new Promise((resolve) => setTimeout(resolve, 20)); // the server is down: it may have accepted the request or not
      }
    }
  };
  const kill = async (): Promise<'server' | 'worker'> => {
    if (random() < 0.5 && killWorker(server, random)) return 'worker';
    server = await killServer(server);
    return 'server';
  };
  const chaos = async (): Promise<void> => {
    const killed = { server: 0, worker: 0 };
    for (let i = 1; i <= kills; i++) {
      const from = Math.min((requests * i) / (kills + 1), requests);
      await until('more requests are accepted', () => accepted.size >= from, 60_000);
      await new Promise((resolve) => setTimeout(resolve, random() * 300));
      killed[await kill()]++;
    }
    t.diagnostic(`killed: ${JSON.stringify(killed)}`);
  };
  await Promise.all([chaos(), ...Array.from({ length: clients }, submit)]);

  await until(
    'the queue is empty',
    async () => (await server.callWell<{ items: unknown[] }>('GET', '/async?state=queued&limit=1')).items.length === 0,
    60_000,
  );
  for (const [id, row] of accepted) {
    const { body } = await server.call<{ predictions: { label: number }[] }>('GET', `/async/${id}/output`);
    assert.deepEqual(
      body.predictions?.map(({ label }) => label),
      [labels[row]],
      `${id}: ${JSON.stringify(body)}`,
    );
  }
  await server.end();
  const db = new DatabaseSync(join(dataDir, 'state.db'), { readOnly: true });
  t.after(() => db.close());
  const count = (sql: string): number => Number((db.prepare(sql).get() as { n: number }).n);
  // A killed server may have accepted a request without answering it.
  const all = count('select count(*) n from async_requests');
  assert(all >= accepted.size);
  assert.deepEqual(
    {
      succeeded: count("select count(*) n from async_requests where state = 'succeeded'"),
      announced: count("select count(*) n from events where kind = 'async.succeeded'"),
      otherwise: count("select count(*) n from events where kind like 'async.%' and kind <> 'async.succeeded'"),
      objects: count("select count(*) n from s3_objects where bucket = 'penstock-async' and key like 'digits/%.out'"),
      jobs: count("select count(*) n from jobs where queue = 'async/digits'"),
    },
    { succeeded: all, announced: all, otherwise: 0, objects: all, jobs: 0 },
  );
});
