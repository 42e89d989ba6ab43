/**
 * kill -9 of workers, fork servers and the server, at random under load: each request is answered, and correctly. Clients send a request
 * again only if its connection broke or the server starts: `npm run soak:python-kills`. PENSTOCK_SEED repeats a run.
 */
import assert from 'node:assert/strict';
import { chmodSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pythonEnvironment } from '../compat/python-environment.ts';
import { Load } from '../end-to-end/load.ts';
import { until } from '../end-to-end/poll.ts';
import { randomOf } from '../fault/journal.ts';
import { TestServer } from '../processes/server.ts';

const environment = await pythonEnvironment('penstock-python', join(import.meta.dirname, 'requirements-sklearn.txt'));
const kills = { worker: 20, forkServer: 5, server: 5 };
const callsPerKill = 100;
const clients = 6;

const models = {
  sums: 'def predict(x: "float64[n,2]") -> "float64[n,1]":\n    return x.sum(axis=1, keepdims=True)\n',
  words: 'def predict(items: list[dict]):\n    return [len(item["text"].split()) for item in items]\n',
  upper: 'def predict(body: bytes):\n    return body.upper()\n',
};
/** Endpoints by name: the body of a request, and a part of its answer. */
const endpoints = [
  { name: 'sums', variant: { model: 'sums/1', instance_count: 2 }, body: '{"instances":[[1,2]]}', answer: /^\{"predictions":\[\[3\]\]/ },
  { name: 'words', variant: { model: 'words/1', instance_count: 1 }, body: '{"text":"a b c"}', answer: /^3$/ },
  { name: 'upper', variant: { model: 'upper/1', functions: {} }, body: '"shout"', answer: /^"SHOUT"$/ },
] as const;

test('no request fails while workers, fork servers and the server are killed', {
  skip: typeof environment === 'string' && environment,
  timeout: 900_000,
}, async (t) => {
  const seed = Number(process.env.PENSTOCK_SEED ?? Math.floor(performance.now() * 1000));
  delete process.env.PENSTOCK_SEED; // the server would reject it
  t.diagnostic(`PENSTOCK_SEED=${seed}`);
  const random = randomOf(seed);
  const bin = typeof environment === 'string' ? '' : environment.bin;
  chmodSync(join(realpathSync(bin), '..'), 0o755); // workers have users of their own
  const server = new TestServer([], { environments: { default: { python: join(bin, 'python') } } });
  t.after(() => server.close());
  await server.start();
  for (const [group, code] of Object.entries(models)) await approved(server, group, code);
  for (const { name, variant } of endpoints) {
    const created = await server.call('POST', '/endpoints', { name, variants: [variant] });
    assert.equal(created.status, 202, created.text);
    await server.until(name, 'InService', 60);
  }

  const sentAgain = { broken: 0, unavailable: 0 };
  let isStarting = false;
  const load = Load.start(clients, async (count) => {
    const { name, body, answer } = endpoints[count % endpoints.length] as (typeof endpoints)[number];
    for (;;) {
      const answered = await server.invoke(name, body, { 'content-type': 'application/json' }).catch(() => null);
      if (answered?.status === 200) return assert.match(answered.text, answer);
      // The server was killed, or the next one has no worker yet. The death of a worker or a fork server is not a reason to send it again.
      if (!isStarting || (answered !== null && answered.status !== 503))
        throw new Error(`${name}: ${answered === null ? 'the connection broke' : `${answered.status} ${answered.text}`}`);
      sentAgain[answered === null ? 'broken' : 'unavailable']++;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  const left = { ...kills };
  const kill = {
    worker: async (): Promise<boolean> => killed(await workerPids(server), random),
    forkServer: async (): Promise<boolean> => killed(await forkServerPids(server), random),
    server: async (): Promise<boolean> => {
      isStarting = true;
      await server.kill('SIGKILL');
      await server.start();
      for (const { name } of endpoints) await server.until(name, 'InService', 60);
      await load.more(clients);
      isStarting = false;
      return true;
    },
  };
  while (left.worker + left.forkServer + left.server > 0) {
    await load.more(callsPerKill);
    assert.deepEqual(load.failures, []);
    let pick = random() * (left.worker + left.forkServer + left.server);
    const victim = (['worker', 'forkServer', 'server'] as const).find((name) => (pick -= left[name]) < 0) ?? 'worker';
    if (await kill[victim]()) left[victim]--;
  }
  await load.more(callsPerKill);
  await load.stop();
  assert.deepEqual(load.failures, []);
  t.diagnostic(JSON.stringify({ kills, answered: load.answered, failed: load.failures.length, sentAgain }));
});

async function approved(server: TestServer, group: string, code: string): Promise<void> {
  await server.call('POST', `/groups/${group}/versions?name=model.py`, code);
  await server.call('POST', `/groups/${group}/versions/1/approval`, { approval: 'Approved' });
  const isApproved = async (): Promise<boolean> => (await server.call('GET', `/groups/${group}/versions/1`)).at('approval') === 'Approved';
  await until(`${group} is approved`, isApproved);
}

async function workerPids(server: TestServer): Promise<number[]> {
  const views = await Promise.all(endpoints.map(({ name }) => server.call('GET', `/endpoints/${name}`)));
  return views.flatMap((view) => (view.at('variants.0.workers') as { pid: number | null }[]).flatMap(({ pid }) => pid ?? []));
}

async function forkServerPids(server: TestServer): Promise<number[]> {
  const status = await server.call('GET', '/status');
  return (status.at('fork_servers') as { pid: number | null }[]).flatMap(({ pid }) => pid ?? []);
}

/** Kills one of them. False if none runs any more. */
function killed(pids: readonly number[], random: () => number): boolean {
  const pid = pids[Math.floor(random() * pids.length)];
  if (pid === undefined) return false;
  try {
    process.kill(pid, 'SIGKILL');
    return true;
  } catch {
    return false;
  }
}
