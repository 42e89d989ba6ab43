/** Simulations on a server: of an uploaded trace, a synthetic load, and recorded arrivals of an endpoint. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ScalingDecisionBody, SimulationBody, SimulationInput, SimulationResultBody } from '../../src/api/index.ts';
import { until } from './poll.ts';
import { type Refusal, Server } from './server.ts';

let server: Server;
before(async () => {
  server = await Server.start();
});
after(() => server.end());

async function finished(input: SimulationInput): Promise<SimulationResultBody> {
  const { id, state } = await server.callWell<SimulationBody>('POST', '/simulations', input);
  assert(['running', 'waiting', 'done'].includes(state));
  return until(
    'the simulation is done',
    async () => {
      const run = await server.callWell<SimulationResultBody>('GET', `/simulations/${id}`);
      assert.notEqual(run.state, 'failed', run.reason ?? '');
      return run.state === 'done' ? run : undefined;
    },
    60_000,
  );
}

test('simulates an uploaded trace under each policy, with cost and series for charts', async () => {
  const text = `requests\n${Array.from({ length: 90 }, (_, i) => (i % 30 < 10 ? 600 : 120)).join('\n')}\n`;
  const policies = ['static:2', 'target-tracking', 'economic'];
  const run = await finished({ load: { kind: 'trace', name: 'waves.csv', text }, policies, objective: 'p95<=500ms' });
  assert.deepEqual([run.done, run.of, run.load.kind, run.load.name, run.load.duration_s], [3, 3, 'trace', 'waves.csv', 5400]);
  assert.equal(run.load.requests, 3 * (10 * 600 + 20 * 120));
  assert.deepEqual(
    run.results.map(({ policy }) => policy),
    policies,
  );
  assert.equal(run.at_s.length, 90);
  assert.equal(run.requests.length, 90);
  assert(Math.abs((run.requests[0] ?? 0) - 10) < 0.01, '600 requests per minute');
  for (const result of run.results) {
    for (const [name, column] of Object.entries(result.series)) assert.equal(column.length, 90, `${result.policy} ${name}`);
    assert(Math.abs(result.instance_usd + result.function_usd - result.cost_usd) < 1e-9);
    assert(result.in_time > 0 && result.in_time <= 1);
  }
  assert(run.results[0]?.series.instances.every((count) => count === 2));
  assert(Math.abs((run.results[0]?.instance_hours ?? 0) - 3) < 0.05);
  assert.equal(run.assumed.types.length, 1);

  const listed = await server.callWell<{ items: SimulationBody[] }>('GET', '/simulations');
  assert.deepEqual(
    listed.items.map(({ id }) => id),
    [run.id],
  );
  await server.callWell('DELETE', `/simulations/${run.id}`);
  assert.equal((await server.call('GET', `/simulations/${run.id}`)).status, 404);
});

test("simulates an endpoint's recorded arrivals with its profile and objective, its deployment first", async () => {
  await server.callWell('POST', '/catalogue/digits-mlp/register', { group: 'digits' });
  await server.callWell('POST', '/groups/digits/versions/1/approval', { approval: 'Approved' });
  await server.callWell('POST', '/endpoints', { name: 'digits', objective: 'p95<=1s', variants: [{ model: 'digits/1' }] });
  await until(
    'the endpoint serves',
    async () => (await server.callWell<{ status: string }>('GET', '/endpoints/digits')).status === 'InService',
  );
  const input = { load: { kind: 'recorded' as const, endpoint: 'digits', since_s: 600 }, policies: ['static:1'] };
  const nothing = await server.call<Refusal>('POST', '/simulations', input);
  assert.deepEqual([nothing.status, nothing.body.code], [409, 'wrong_state']);
  const body = JSON.stringify({ inputs: [{ name: 'pixels', shape: [1, 64], datatype: 'FP32', data: Array(64).fill(8) }] });
  for (let i = 0; i < 40; i++) await (await fetch(`${server.url}/v2/models/digits/infer`, { method: 'POST', body })).text();
  await until(
    'the model is measured',
    async () => (await server.callWell<{ items: unknown[] }>('GET', '/groups/digits/versions/1/profile')).items.length > 0,
    30_000,
  );
  const run = await until('the arrivals are recorded', async () => {
    const requested = await server.call<SimulationBody>('POST', '/simulations', input);
    return requested.status === 202 ? requested.body : undefined;
  });
  const done = await until('the simulation is done', async () => {
    const now = await server.callWell<SimulationResultBody>('GET', `/simulations/${run.id}`);
    return now.state === 'done' ? now : undefined;
  });
  assert.deepEqual([done.objective, done.profile, done.load.endpoint], ['p95<=1s', 'digits/1', 'digits']);
  assert.deepEqual(
    done.results.map(({ policy, is_deployed: is }) => [policy, is]),
    [
      ['deployed: static:1', true],
      ['static:1', false],
    ],
  );
  assert.equal(done.results[0]?.in_time, 1);
});

test('uses the observed start times of the endpoint for a recorded load', async () => {
  const scaling = { policy: 'economic', instances_min: 1, instances_max: 2 };
  await server.callWell('PATCH', '/endpoints/digits', { objective: 'p95<=1s', variants: [{ model: 'digits/1', scaling }] });
  const decided = await until(
    'a decision was made',
    async () => (await server.callWell<{ items: ScalingDecisionBody[] }>('GET', '/endpoints/digits/decisions?kind=scaling')).items[0],
    40_000,
  );
  const leadS = decided.inputs?.types['local.1']?.lead_s;
  assert(leadS !== undefined && leadS > 0);
  const done = await finished({ load: { kind: 'recorded', endpoint: 'digits', since_s: 600 }, policies: ['static:1'] });
  const later = (await server.callWell<{ items: ScalingDecisionBody[] }>('GET', '/endpoints/digits/decisions?kind=scaling')).items;
  const known = later.map(({ inputs }) => inputs?.types['local.1']?.lead_s);
  assert(known.includes(done.assumed.types[0]?.lead_s ?? Number.NaN), `${done.assumed.types[0]?.lead_s} of ${known.join()}`);
});

test('cancels a running simulation, and rejects invalid ones before they run', async () => {
  const long = await server.callWell<SimulationBody>('POST', '/simulations', {
    load: { kind: 'made', text: 'poisson:200', slots: 720 },
    policies: ['target-tracking'],
  });
  await server.callWell('DELETE', `/simulations/${long.id}`);
  assert.equal((await server.callWell<SimulationBody>('GET', `/simulations/${long.id}`)).state, 'cancelled');
  const load = { kind: 'made', text: 'poisson:5', slots: 5 };
  for (const [what, input, status] of [
    ['a load', { load: { kind: 'made', text: 'weather' }, policies: ['economic'] }, 400],
    ['a trace', { load: { kind: 'trace', text: 'requests\nmany\n' }, policies: ['economic'] }, 400],
    ['a policy', { load, policies: ['magic'] }, 400],
    ['no policy', { load, policies: [] }, 400],
    ['an objective', { load, policies: ['economic'], objective: 'fast' }, 400],
    ['a model', { load, policies: ['economic'], profile: 'nothing/1' }, 404],
    ['an endpoint', { load: { kind: 'recorded', endpoint: 'nothing' }, policies: ['economic'] }, 404],
    ['a type', { load, policies: ['economic'], types: ['abacus'] }, 400],
    ['too many requests', { load: { kind: 'made', text: 'poisson:100000', slots: 60 }, policies: ['economic'] }, 413],
  ] as const) {
    assert.equal((await server.call('POST', '/simulations', input)).status, status, what);
  }
});
