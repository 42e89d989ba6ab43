import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PlannedArrivals, PlanRequest } from '../../autoscaling/index.ts';
import type { Decision } from '../../records/index.ts';
import type { RouteCall } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import { decisionBody } from './decision-bodies.ts';
import { decisionRoutes } from './decisions.ts';

const setting = { memoryMiB: 1024, batchSizeMax: 8, waitMsMax: null };
const predicted = { p50Ms: 50, p95Ms: 96, p99Ms: 99, withinSlo: 0.97, meanBatch: 3, costUsdPerMillion: 0.5 };
const made: Decision = {
  id: 'd1',
  atMs: Date.UTC(2026, 0, 1),
  kind: 'batching',
  endpoint: 'digits',
  variant: 'AllTraffic',
  trigger: 'period',
  changes: true,
  inputs: {
    query: {
      model: 'digits/1',
      objective: { percentile: 95, latencyMs: 100 },
      memoryMiB: 'auto',
      policy: { kind: 'fixed', batchSizeMax: 8, waitMsMax: 20 },
    },
    marginMs: 2,
    arrivals: {
      source: 'replay',
      ratePerSecond: 50,
      forecastRatePerSecond: null,
      scv: 1,
      correlationDecay: 0,
      indexOfDispersion: 1,
      sampleCount: 900,
      notes: ['a note'],
    },
    profiles: [{ memoryMiB: 1024, basis: 'measured', measuredAtMs: 0 }],
    prices: { usdPerInvocation: 2e-7, usdPerGbSecond: 1.66667e-5, billingGranularityMs: 1 },
    coldStart: { probability: 0, ms: 150 },
    candidates: { considered: 9, evaluated: 5, feasible: 3 },
    computeMs: 12,
  },
  alternatives: [{ label: 'chosen', policy: 'slack', ...setting, predicted, feasible: true, rejectedBecause: null }],
  chosen: setting,
  reason: 'cheapest',
  explanation: 'It is the cheapest.',
  effect: { ...predicted, requests: 40, meanWaitMs: 30, coldStarts: 1, p95ErrorPercent: -10, costErrorPercent: 25 },
};

/** Calls the handler of a route, without query validation. */
async function handled(key: string, provided: { readonly query?: object; readonly body?: object }, services: object): Promise<unknown> {
  const found = decisionRoutes(services as ApiServices).find((each) => each.key === key);
  assert(found !== undefined);
  const body = provided.body === undefined ? undefined : found.options.body?.parse(provided.body);
  return found.handle({ params: { endpoint: 'DIGITS' }, query: provided.query ?? {}, body } as RouteCall<unknown, unknown, unknown>);
}

test('lists decisions with all their fields under API names, page by page', async () => {
  const requested: unknown[] = [];
  const page = await handled(
    'GET /endpoints/:endpoint/decisions',
    { query: { limit: 1, before: 'd9' } },
    {
      deployments: { get: () => ({ config: { name: 'digits' } }) },
      decisions: {
        list: async (wanted: unknown) => {
          requested.push(wanted);
          return [made, { ...made, id: 'd0', effect: null }];
        },
        count: async () => 2,
      },
    },
  );
  assert.deepEqual(requested, [{ endpoint: 'digits', kind: undefined, changes: undefined, limit: 2, before: 'd9' }]);
  const { items, next, total } = page as { items: unknown[]; next: string; total: number };
  const [reported] = items.map((item) => decisionBody.parse(item));
  assert(reported !== undefined);
  assert.deepEqual([items.length, next, total, reported.at, reported.id], [1, 'd1', 2, '2026-01-01T00:00:00.000Z', 'd1']);
  assert.deepEqual(reported.inputs.policy, { kind: 'fixed', batch_size_max: 8, wait_ms_max: 20 });
  assert.deepEqual([reported.inputs.objective, reported.inputs.arrivals.sample_count], ['p95<=100ms', 900]);
  assert.deepEqual([reported.effect?.p95_error_percent, reported.alternatives[0]?.predicted.p95_ms], [-10, 96]);
});

test('plans for every kind of arrivals', async () => {
  const planned: PlanRequest[] = [];
  const services = {
    registry: { resolve: async () => ({ name: 'digits/1' }) },
    planner: {
      plan: (_version: unknown, request: PlanRequest) => {
        planned.push(request);
        return Promise.reject(new Error('enough'));
      },
    },
  };
  const cases: [object, PlannedArrivals][] = [
    [{ rate_per_second: 5 }, { kind: 'poisson', ratePerSecond: 5 }],
    [{ arrivals: { kind: 'poisson', rate_per_second: 5 } }, { kind: 'poisson', ratePerSecond: 5 }],
    [{ arrivals: { kind: 'times', times_ms: [0, 3] } }, { kind: 'times', timesMs: [0, 3] }],
    [
      { arrivals: { kind: 'mmpp', rates_per_second: [20, 400], switches_per_second: [1, 4] } },
      { kind: 'mmpp', rate1PerSecond: 20, rate2PerSecond: 400, switch12PerSecond: 1, switch21PerSecond: 4 },
    ],
  ];
  for (const [provided, arrivals] of cases) {
    await assert.rejects(handled('POST /plan', { body: { model: 'digits', ...provided } }, services), /enough/);
    assert.deepEqual(planned.at(-1), { objective: null, memoryMiB: 'auto', policy: { kind: 'slack' }, arrivals });
  }
  await assert.rejects(handled('POST /plan', { body: { model: 'digits' } }, services), /either rate_per_second or arrivals/);
  const both = { model: 'digits', rate_per_second: 1, arrivals: { kind: 'poisson', rate_per_second: 5 } };
  await assert.rejects(handled('POST /plan', { body: both }, services), /either rate_per_second or arrivals/);
});
