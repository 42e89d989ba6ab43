import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ScalingDecision, scalingRecord } from '../autoscaling/index.ts';
import type { Decision } from '../monitoring/index.ts';
import { anyDecisionBody } from './decision-bodies.ts';
import { decisionRoutes } from './decisions.ts';
import type { Call } from './route.ts';
import { scalingBodyOf, scalingInput, scalingOf } from './scaling.ts';
import type { ApiServices } from './services.ts';

const alternative = { instanceUsd: 1e-4, launchUsd: 0, expectedOverflow: 0, overflowUsd: 0, totalUsd: 1e-4, excludedBy: null };
const decided: ScalingDecision = {
  trigger: 'period',
  feasible: true,
  chosen: { plan: { 'local.1': 2 }, reason: 'argmin', functions: null, warmFunctions: 0, overflowUsdPerHourMax: null },
  inputs: {
    regime: 'instances-only',
    strategy: 'economic',
    slotMs: 10_000,
    lastCount: 90,
    ratePerSecond: null,
    queue: 0,
    types: { 'local.1': { active: 1, launching: 0, draining: 0, batchSize: 8, ratePerSecond: 10, leadMs: 2000, usdPerHour: 0.0425 } },
    excluded: [],
    rho: 0.85,
    horizon: 2,
    overflowUsdPerRequest: null,
    objective: { percentile: 95, latencyMs: 50 },
    burn5m: null,
    burn1h: null,
    level: 0,
    min: 1,
    max: 4,
    budget: { usdMax: 1, spentUsd: 0.25, remainingMs: 1_800_000 },
    gaps: 0,
    forecast: { model: 'rls-ar', horizons: [1], mean: [95], tau: [0.5], quantiles: [[95]], residualsSeen: 7 },
  },
  alternatives: [{ plan: { 'local.1': 2 }, ...alternative }],
  explanation: 'grew to 2 × local.1: more come',
  changes: true,
};
const effect = { windowS: 40, arrivals: [90, null], attainment: 1, overflowShare: 0, spentUsd: 1e-3, forecastError: 5, regretUsd: 0 };

test('a decision on the number of instances is told with all that it was made from', async () => {
  const actions = [{ op: 'launch', type: 'local.1', instance: null }] as const;
  const record = scalingRecord(decided, { endpoint: 'digits', variant: 'AllTraffic' }, actions);
  const made: Decision = { ...record, id: 'd1', atMs: 0, effect };
  const lost: Decision = { ...made, id: 'd0', effect: { unknown: 'the server was restarted' } };
  const services = {
    deployments: { get: () => ({ config: { name: 'digits' } }) },
    decisions: { list: async () => JSON.parse(JSON.stringify([made, lost])) as Decision[], count: async () => 2 },
  };
  const routes = decisionRoutes(services as unknown as ApiServices);
  const route = routes.find(({ key }) => key === 'GET /endpoints/:endpoint/decisions');
  const call = { params: { endpoint: 'digits' }, query: { kind: 'scaling' } } as Call<unknown, unknown, unknown>;
  const page = (await route?.handle(call)) as { items: unknown[] };
  const told = anyDecisionBody.parse(page.items[0]);
  assert(told.kind === 'scaling');
  assert.deepEqual([told.chosen.plan, told.chosen.actions], [{ 'local.1': 2 }, actions]);
  assert.deepEqual([told.inputs.slot_s, told.inputs.objective, told.inputs.types['local.1']?.lead_s], [10, 'p95<=50ms', 2]);
  assert.deepEqual(told.inputs.budget, { usd_max: 1, spent_usd: 0.25, remaining_s: 1800 });
  assert.equal(told.effect_unknown, null);
  const unknown = anyDecisionBody.parse(page.items[1]);
  assert(unknown.kind === 'scaling');
  assert.deepEqual([unknown.effect, unknown.effect_unknown], [null, 'the server was restarted']);
  assert.deepEqual([told.alternatives[0]?.total_usd, told.effect?.arrivals, told.effect?.regret_usd], [1e-4, [90, null], 0]);
});

test('whoever serves or scales is asked for a decision', async () => {
  for (const [batching, scaling] of [
    [true, false],
    [false, true],
    [false, false],
  ] as const) {
    const services = {
      deployments: { get: () => ({ config: { name: 'digits' } }) },
      batching: { ask: () => batching },
      scaling: { ask: () => scaling },
    };
    const route = decisionRoutes(services as unknown as ApiServices).find(({ key }) => key === 'POST /endpoints/:endpoint/decisions');
    const answer = await route?.handle({ params: { endpoint: 'digits' } } as Call<unknown, unknown, unknown>);
    assert.deepEqual(answer, { asked: batching || scaling });
  }
});

test('scaling has a default for everything, and comes back as it was given', () => {
  const whole = { policy: 'economic', instancesMin: 1, instancesMax: 4, usdPerHourMax: null };
  assert.deepEqual(scalingOf(scalingInput.parse({}), false), whole);
  assert.deepEqual(scalingOf(scalingInput.parse({}), true), { ...whole, instancesMin: 0 });
  const given = { policy: 'hpa:70', instances_min: 2, instances_max: 3, usd_per_hour_max: 0.5 };
  assert.deepEqual(scalingBodyOf(scalingOf(scalingInput.parse(given), true)), given);
});
