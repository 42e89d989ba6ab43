import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ScalingDecision, scalingRecord } from '../../autoscaling/index.ts';
import { newVariant, type ScalingConfig } from '../../deployment/index.ts';
import type { Decision } from '../../records/index.ts';
import { anyDecisionBody } from '../records/decision-bodies.ts';
import { decisionRoutes } from '../records/decisions.ts';
import type { RouteCall } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import { scalingBodyOf, scalingConfigOf, scalingInput } from './scaling.ts';

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
  explanation: 'grew to 2 × local.1: load increases',
  changes: true,
};
const effect = { windowS: 40, arrivals: [90, null], attainment: 1, overflowShare: 0, spentUsd: 1e-3, forecastError: 5, regretUsd: 0 };

test('lists a scaling decision with all its inputs', async () => {
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
  const call = { params: { endpoint: 'digits' }, query: { kind: 'scaling' } } as RouteCall<unknown, unknown, unknown>;
  const page = (await route?.handle(call)) as { items: unknown[] };
  const reported = anyDecisionBody.parse(page.items[0]);
  assert(reported.kind === 'scaling');
  assert.deepEqual([reported.chosen.plan, reported.chosen.actions], [{ 'local.1': 2 }, actions]);
  assert.deepEqual([reported.inputs?.slot_s, reported.inputs?.objective, reported.inputs?.types['local.1']?.lead_s], [10, 'p95<=50ms', 2]);
  assert.deepEqual(reported.inputs?.budget, { usd_max: 1, spent_usd: 0.25, remaining_s: 1800 });
  assert.equal(reported.effect_unknown, null);
  const unknown = anyDecisionBody.parse(page.items[1]);
  assert(unknown.kind === 'scaling');
  assert.deepEqual([unknown.effect, unknown.effect_unknown], [null, 'the server was restarted']);
  assert.deepEqual([reported.alternatives[0]?.total_usd, reported.effect?.arrivals, reported.effect?.regret_usd], [1e-4, [90, null], 0]);
});

test('requests a decision from batching and from scaling', async () => {
  for (const [batching, scaling] of [
    [true, false],
    [false, true],
    [false, false],
  ] as const) {
    const services = {
      deployments: { get: () => ({ config: { name: 'digits' } }) },
      batching: { requestDecision: () => batching },
      scaling: { requestDecision: () => scaling },
    };
    const route = decisionRoutes(services as unknown as ApiServices).find(({ key }) => key === 'POST /endpoints/:endpoint/decisions');
    const answer = await route?.handle({ params: { endpoint: 'digits' } } as RouteCall<unknown, unknown, unknown>);
    assert.deepEqual(answer, { asked: batching || scaling });
  }
});

test('has a default for every scaling member, and shows given values unchanged', () => {
  const scaled = (body: unknown, more: object = {}) =>
    newVariant({ name: 'AllTraffic', model: { group: 'digits', version: 1 }, scaling: scalingConfigOf(scalingInput.parse(body)), ...more })
      .scaling as ScalingConfig;
  const whole = { policy: 'economic', instancesMin: 1, instancesMax: 4, usdPerHourMax: null };
  assert.deepEqual(scaled({}), whole);
  assert.deepEqual(scaled({}, { functions: {} }), { ...whole, instancesMin: 0 });
  const provided = { policy: 'hpa:70', instances_min: 2, instances_max: 3, usd_per_hour_max: 0.5 };
  assert.deepEqual(scalingBodyOf(scaled(provided)), provided);
});
