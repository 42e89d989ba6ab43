/** Decisions on the settings of a serverless endpoint: they are made, measured, and survive the server. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import type { DecisionBody, PageBody } from '../../src/api/index.ts';
import { until } from './poll.ts';
import { penstock, plainEnvironment, Server, temporaryDirectory } from './server.ts';

const run = promisify(execFile);
const rows = readFileSync(join(import.meta.dirname, '../../assets/catalogue/digits_test.csv'), 'utf8')
  .trimEnd()
  .split('\n')
  .slice(1)
  .map((line) => line.split(',').slice(0, 64).map(Number));

const decisionsOf = async (server: Server, endpoint: string): Promise<readonly DecisionBody[]> =>
  (await server.callWell<PageBody<DecisionBody>>('GET', `/endpoints/${endpoint}/decisions`)).items;

const settingOf = async (server: Server, endpoint: string) => (await server.endpoint(endpoint)).variants[0]?.setting;

async function infer(server: Server, endpoint: string, count: number): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const { status, body } = await server.call('POST', `/endpoints/${endpoint}/invoke`, { instances: [rows[i % rows.length]] });
      assert.equal(status, 200, JSON.stringify(body));
    }),
  );
}

test('a decision is made, applied and measured, survives a restart, and is deleted with its endpoint', async () => {
  const dataDir = temporaryDirectory();
  let server = await Server.start({ dataDir, flags: ['--batch-period', '10s'] });
  try {
    const env = { ...plainEnvironment(), PENSTOCK_URL: server.url };
    await run(penstock, ['deploy', 'catalogue:digits-mlp', 'digits', '--serverless', '--approve', '--objective', 'p95<=500ms'], { env });
    const first = await until('the first decision', async () => (await decisionsOf(server, 'digits'))[0]);
    assert.deepEqual([first.trigger, first.effect, first.chosen.batch_size_max], ['deploy', null, 1]);
    assert(first.alternatives.some(({ label }) => label === 'no-batching'));
    await until('the setting is applied', async () => (await settingOf(server, 'digits'))?.decision_id === first.id);

    for (let burst = 0; burst < 8; burst++) await infer(server, 'digits', 50);
    const second = await until('a decision based on observed arrivals', async () => {
      const [latest] = await decisionsOf(server, 'digits');
      return latest !== undefined && latest.inputs.arrivals.rate_per_second > 0 && latest;
    });
    assert(second.inputs.arrivals.sample_count > 0);
    await infer(server, 'digits', 20);
    const effect = await until('an effect was measured', async () => {
      const effects = (await decisionsOf(server, 'digits')).flatMap((decision) => (decision.effect === null ? [] : [decision.effect]));
      return effects[0];
    });
    assert(effect.requests > 0 && effect.cost_usd_per_million > 0 && effect.p95_ms > 0);

    const { stdout } = await run(penstock, ['decisions', 'digits'], { env });
    assert.match(stdout, /^WHEN \(UTC\) .* WHY\n.* deploy .*\n/);
    const described = await run(penstock, ['describe', 'digits'], { env });
    assert.match(described.stdout, /SETTING OF +P50 .* COST\/M ROWS +WHY\nAllTraffic +predicted/);

    const inForce = await settingOf(server, 'digits');
    server.signal('SIGKILL');
    await server.ended;
    await server.end();
    server = await Server.start({ dataDir, flags: ['--batch-period', '10s'] });
    const latest = (await decisionsOf(server, 'digits'))[0];
    const again = await until('the setting is back', async () => {
      const setting = await settingOf(server, 'digits');
      return setting?.decision_id === latest?.id && setting;
    });
    assert.deepEqual({ ...again, decision_id: null }, { ...inForce, decision_id: null });

    await server.callWell('DELETE', '/endpoints/digits');
    await until('the endpoint is deleted', async () => (await server.call('GET', '/endpoints/digits/decisions')).status === 404);
  } finally {
    await server.end();
    rmSync(dataDir, { recursive: true, force: true });
  }
});

test('an objective that no setting meets is reported as the reason of the endpoint, without a failure', async () => {
  const server = await Server.start();
  try {
    const env = { ...plainEnvironment(), PENSTOCK_URL: server.url };
    await run(penstock, ['deploy', 'catalogue:digits-mlp', 'digits', '--serverless', '--approve', '--objective', 'p99<=5us'], { env });
    const view = await until(
      'the reason is reported',
      async () => {
        const current = await server.endpoint('digits');
        return current.reason !== null && current;
      },
      30_000,
    );
    assert.equal(view.status, 'InService');
    assert.match(view.reason ?? '', /^no setting keeps p99<=5us: the best reaches p99 .* too much$/);
    await infer(server, 'digits', 3);
    const { stdout } = await run(penstock, ['plan', 'digits/1', '--rate', '5', '--objective', 'p99<=5us'], { env });
    assert.match(stdout, /^no setting keeps p99<=5us/m);
  } finally {
    await server.end();
  }
});
