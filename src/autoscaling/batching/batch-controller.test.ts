import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { openMemoryDatabase } from '../../../test/empty-database.ts';
import { VirtualClock } from '../../clock.ts';
import { defaultPrices } from '../../costs/index.ts';
import { functionsDefault } from '../../deployment/index.ts';
import { PlatformError } from '../../errors.ts';
import { openLogs } from '../../logs/index.ts';
import { type FunctionProfile, ServiceTable } from '../../profiling/index.ts';
import { type Decision, Decisions, Events, type PlatformEvent } from '../../records/index.ts';
import type { ModelVersion } from '../../registry/index.ts';
import type { FunctionSetting, FunctionVariant, PeriodMeasure } from '../../serving/index.ts';
import type { OpenDatabase } from '../../storage/index.ts';
import { BatchController } from './batch-controller.ts';
import type { BatchingEffect, BatchingInputs, BatchingSetting } from './batching-decision.ts';
import type { ChoiceRequest } from './choose-batching.ts';
import type { ComputedChoice } from './chooser.ts';

const periodMs = 30_000;

/** A serverless variant that returns scripted measurements. */
class ScriptedVariant {
  endpoint = 'digits';
  variant = 'AllTraffic';
  model = { name: 'digits/1', group: 'digits', version: 1 } as ModelVersion;
  objective: FunctionVariant['objective'] = { percentile: 95, latencyMs: 100 };
  config: FunctionVariant['config'] = functionsDefault;
  setting: FunctionSetting = { memoryMiB: 1024, batchSizeMax: 1, waitMsMax: 0, decisionId: null };
  readonly applied: FunctionSetting[] = [];
  marginMs = 2;
  times: number[] = [];
  alarm = false;
  measured: Partial<PeriodMeasure> = {};

  apply(setting: FunctionSetting): void {
    this.applied.push(setting);
    this.setting = setting;
    this.measured = {};
  }

  arrivalsMs(): Float64Array {
    return Float64Array.from(this.times);
  }

  consumeAlarm(): boolean {
    const { alarm } = this;
    this.alarm = false;
    return alarm;
  }

  period(): PeriodMeasure {
    const nothing = { requests: 0, p50Ms: 0, p95Ms: 0, p99Ms: 0, withinSlo: 1, meanBatch: 0, meanWaitMs: 0 };
    return { ...nothing, costUsdPerMillion: 0, coldStarts: 0, ...this.measured } as PeriodMeasure;
  }
}

const samples = Array.from({ length: 20 }, (_, i) => 10 + i / 10);
const profile = {
  memoryMiB: 1024,
  basis: 'measured',
  peakMemoryMiB: 90,
  fits: true,
  coldMs: 150,
  profile: {
    executor: 'function:1024',
    measuredAtMs: 5,
    loadMs: 100,
    batchMax: 1,
    notes: [],
    service: [{ b: 1, p50Ms: 11, p95Ms: 12, p99Ms: 12, samples, rssMiB: 90 }],
  },
} as unknown as FunctionProfile;

function choiceOf(setting: BatchingSetting, changes: Partial<ComputedChoice> = {}): ComputedChoice {
  const predicted = { p50Ms: 50, p95Ms: 90, p99Ms: 98, withinSlo: 0.97, meanBatch: 3, costUsdPerMillion: 0.5 };
  return {
    feasible: true,
    setting,
    alternatives: [{ label: 'chosen', policy: 'slack', ...setting, predicted, feasible: changes.feasible ?? true, rejectedBecause: null }],
    candidates: { considered: 1, evaluated: 1, feasible: 1 },
    arrivals: {
      source: 'replay',
      ratePerSecond: 10,
      forecastRatePerSecond: null,
      scv: 1,
      correlationDecay: 0,
      indexOfDispersion: 1,
      sampleCount: 300,
      notes: [],
    },
    reason: 'cheapest',
    explanation: 'It is the cheapest.',
    computeMs: 1,
    ...changes,
  };
}

function effectIn(decision: Decision | undefined): BatchingEffect {
  assert(decision !== undefined && decision.effect !== null);
  return decision.effect as BatchingEffect;
}

describe('the batch controller', () => {
  let clock: VirtualClock;
  let opened: OpenDatabase;
  let events: Events;
  let decisions: Decisions;
  let controller: BatchController;
  let variants: ScriptedVariant[];
  let variant: ScriptedVariant;
  let profiles: FunctionProfile[];
  let orders: ChoiceRequest[];
  let received: PlatformEvent[];
  let choose: (request: ChoiceRequest) => Promise<ComputedChoice>;
  const two: BatchingSetting = { memoryMiB: 1024, batchSizeMax: 2, waitMsMax: null };
  const eight: BatchingSetting = { memoryMiB: 1024, batchSizeMax: 8, waitMsMax: null };

  beforeEach(async () => {
    clock = new VirtualClock();
    opened = await openMemoryDatabase();
    const row = { config: '{}', generation: 1, desired: 'InService' as const, created_at: 1, updated_at: 1 };
    await opened.db
      .insertInto('endpoints')
      .values({ name_key: 'digits', name: 'digits', ...row })
      .execute();
    events = new Events(opened.db, clock);
    received = [];
    events.subscribe((event) => received.push(event));
    decisions = new Decisions(opened.db, clock, events);
    variant = new ScriptedVariant();
    variants = [variant];
    profiles = [profile];
    orders = [];
    choose = () => Promise.resolve(choiceOf(two));
    start();
  });
  afterEach(async () => {
    await controller.close();
    await opened.close();
  });

  function start(): void {
    controller = new BatchController({
      clock,
      log: openLogs(null, 'silent').platform,
      decisions,
      events,
      chooser: {
        choose: (request) => {
          orders.push(request);
          return choose(request);
        },
      },
      variants: () => variants,
      profilesOf: async () => profiles,
      tableOf: () => new ServiceTable(null),
      prices: defaultPrices.functions,
      periodMs,
    });
    controller.open();
  }

  /** Advances the clock second by second and runs all due work. */
  async function pass(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      clock.advance(1000);
      for (let turn = 0; turn < 12; turn++) await new Promise(setImmediate);
    }
  }
  const arrive = (count = 1): void => {
    for (let i = 0; i < count; i++) variant.times.push(clock.nowMs());
  };
  const list = (): Promise<Decision[]> => decisions.list({ endpoint: 'digits', limit: 100 });
  const triggers = async (): Promise<string[]> => (await list()).map(({ trigger }) => trigger).toReversed();

  test('decides at deployment without traffic, then not again until the first request', async () => {
    await pass(120);
    const [only, ...others] = await list();
    assert.deepEqual(others, []);
    assert.deepEqual([only?.trigger, only?.chosen, only?.effect], ['deploy', two, null]);
    assert.deepEqual(variant.applied, [{ ...two, decisionId: only?.id }]);
    arrive();
    await pass(2);
    assert.deepEqual(await triggers(), ['deploy', 'period']);
  });

  test('makes no decision until service times are known', async () => {
    profiles = [];
    await pass(5);
    assert.deepEqual([await list(), variant.applied], [[], []]);
    profiles = [profile];
    await pass(1);
    assert.deepEqual(await triggers(), ['deploy']);
  });

  test('decides each period while requests arrive, and adds the measured effect to the previous decision', async () => {
    await pass(1);
    for (let second = 0; second < 61; second++) {
      arrive();
      variant.measured = { requests: 40, p50Ms: 45, p95Ms: 100, p99Ms: 110, meanBatch: 2.5, meanWaitMs: 30, costUsdPerMillion: 0.4 };
      await pass(1);
    }
    const [latest, retained, first] = await list();
    assert.deepEqual(await triggers(), ['deploy', 'period', 'period']);
    assert.deepEqual([first?.changes, retained?.changes], [true, false]);
    const effect = effectIn(first);
    assert.deepEqual([effect.requests, effect.p95ErrorPercent, effect.costErrorPercent], [40, -10, 25]);
    assert.equal(effectIn(retained).meanBatch, 2.5);
    assert.deepEqual(
      controller.decisionStatus('digits', 'alltraffic')?.measured,
      retained?.effect,
      'no traffic since, so the previous effect is reported',
    );
    variant.measured = { requests: 3, p95Ms: 60 };
    assert.equal(controller.decisionStatus('digits', 'AllTraffic')?.measured?.p95ErrorPercent, 50);
    variant.measured = {};
    assert.equal(latest?.effect, null);
    assert.deepEqual(
      variant.applied.map(({ decisionId }) => decisionId),
      [first?.id, retained?.id, latest?.id],
      'an unchanged setting also starts a new period',
    );
    assert.equal(received.filter(({ kind }) => kind === 'decision.made').length, 1);
  });

  test('the choice uses service times from serving and profiling', async () => {
    variant.config = { ...functionsDefault, memoryMiB: 2048 };
    variant.times = [-130_000, -120_000, -50_000];
    profiles = [profile, { ...profile, memoryMiB: 2048 }, { ...profile, memoryMiB: 128, fits: false }];
    await pass(1);
    const [request] = orders;
    assert.deepEqual([request?.profiles.map(({ memoryMiB }) => memoryMiB), request?.marginMs, request?.current], [[2048], 2, null]);
    assert.deepEqual(request?.coldStart, { probability: 0.5, ms: 150 });
    assert.deepEqual(request?.objective, { percentile: 95, latencyMs: 100 });
    const inputs = (await list())[0]?.inputs as BatchingInputs;
    assert.deepEqual(inputs.query, { model: 'digits/1', objective: variant.objective, memoryMiB: 2048, policy: { kind: 'slack' } });
    assert.deepEqual(inputs.profiles, [{ memoryMiB: 2048, basis: 'measured', measuredAtMs: 5 }]);
  });

  test('decides again at once after a configuration change, a change of arrivals or a manual request', async () => {
    await pass(1);
    variant.objective = { percentile: 99, latencyMs: 80 };
    await pass(1);
    variant.alarm = true;
    await pass(5);
    assert.equal(controller.requestDecision('DIGITS'), true);
    assert.equal(controller.requestDecision('other'), false);
    await pass(1);
    assert.deepEqual(await triggers(), ['deploy', 'deploy', 'change-point', 'manual']);
  });

  test('corrects predictions that a period missed by more than a quarter with the next decision, and says so', async () => {
    await pass(1);
    for (let second = 0; second < 40; second++) {
      arrive();
      variant.measured = { requests: 400, p50Ms: 25, p95Ms: 39, p99Ms: 60, meanBatch: 2.06, meanWaitMs: 30, costUsdPerMillion: 0.8 };
      await pass(1);
    }
    const status = controller.decisionStatus('digits', 'AllTraffic');
    assert.match(
      status?.correction ?? '',
      /^corrected, as the last period had p95 39 ms instead of 90 ms, batches of 2\.1 instead of 3\.0 rows/,
    );
    assert.deepEqual([status?.predicted?.p95Ms, status?.predicted?.costUsdPerMillion], [39, 0.8]);
    const [latest] = await list();
    assert.match(latest?.explanation ?? '', /It is the cheapest\. Predictions are corrected, as the last period had p95 39 ms/);
    for (let second = 0; second < 40; second++) {
      arrive();
      variant.measured = { requests: 400, p95Ms: 88, p50Ms: 50, p99Ms: 95, meanBatch: 3, meanWaitMs: 30, costUsdPerMillion: 0.5 };
      await pass(1);
    }
    assert.equal(controller.decisionStatus('digits', 'AllTraffic')?.correction, null, 'the model is right again');
  });

  test('makes one decision for several profiles that are measured in sequence', async () => {
    await pass(1);
    for (let size = 0; size < 4; size++) {
      controller.profileMeasured('Digits', 1);
      controller.profileMeasured('digits', 2);
      await pass(3);
    }
    await pass(10);
    assert.deepEqual(await triggers(), ['deploy', 'profile']);
  });

  test('after a restart reuses the last setting, unless the query changed', async () => {
    choose = () => Promise.resolve(choiceOf(eight));
    await pass(1);
    variant.measured = { requests: 5, p95Ms: 90 };
    await controller.close();
    const before = variant.setting.decisionId;
    variant = new ScriptedVariant();
    variants = [variant];
    orders = [];
    start();
    await pass(40);
    assert.deepEqual([variant.applied, orders], [[{ ...eight, decisionId: before }], []]);
    assert.equal(controller.decisionStatus('digits', 'AllTraffic')?.measured?.requests, 5, 'the earlier effect is retained');
    await controller.close();
    variant.config = { ...functionsDefault, batching: { kind: 'none' } };
    start();
    await pass(1);
    assert.deepEqual([orders.length, await triggers()], [1, ['deploy', 'deploy']]);
  });

  test('a variant that is reloaded between two polls gets its setting back', async () => {
    await pass(1);
    const { decisionId } = variant.setting;
    variant = new ScriptedVariant();
    variants = [variant];
    await pass(1);
    assert.deepEqual([variant.applied, orders.length], [[{ ...two, decisionId }], 1]);
  });

  test('a variant whose endpoint is recreated between two polls gets a new decision', async () => {
    await pass(1);
    await opened.db.deleteFrom('decisions').execute();
    variant = new ScriptedVariant();
    variants = [variant];
    await pass(1);
    assert.deepEqual([orders.length, variant.applied.length, await triggers()], [2, 1, ['deploy']]);
  });

  test('an unreachable objective is a valid result: the reason says so, and events mark its beginning and end', async () => {
    choose = () => Promise.resolve(choiceOf(eight, { feasible: false, reason: 'p95<=100ms is missed by 40 ms at best' }));
    await pass(1);
    assert.equal(controller.reasonOf('Digits'), 'p95<=100ms is missed by 40 ms at best');
    assert.equal(controller.reasonOf('other'), null);
    const { objective } = variant;
    variant.objective = { percentile: 95, latencyMs: 500 };
    assert.equal(controller.reasonOf('digits'), null, 'no decision for this objective yet');
    variant.objective = objective;
    await controller.close();
    start();
    await pass(1);
    assert.equal(controller.reasonOf('digits'), 'p95<=100ms is missed by 40 ms at best', 'the event is not repeated and the reason stands');
    choose = () => Promise.resolve(choiceOf(eight));
    variant.objective = { percentile: 95, latencyMs: 500 };
    variant.setting = { memoryMiB: 2048, batchSizeMax: 1, waitMsMax: null, decisionId: null }; // the setting that serving reports
    await pass(1);
    assert.equal(controller.reasonOf('digits'), null);
    assert.deepEqual(
      received.map(({ kind }) => kind).filter((kind) => kind.startsWith('endpoint.')),
      ['endpoint.objective-unreachable', 'endpoint.objective-reachable'],
    );
  });

  test('if the computation fails, keeps the old setting and retries', async () => {
    await pass(6);
    choose = () => Promise.reject(new PlatformError('unavailable', 'the thread died'));
    variant.alarm = true;
    await pass(3);
    assert.deepEqual([orders.length, variant.applied.length], [2, 1]);
    choose = () => Promise.resolve(choiceOf(eight));
    await pass(10);
    assert.deepEqual(variant.setting.batchSizeMax, 8);
  });

  test('discards a result whose query or variant no longer exists', async () => {
    const computed: ((choice: ComputedChoice) => void)[] = [];
    choose = () => new Promise((resolve) => computed.push(resolve));
    await pass(1);
    variant.objective = null;
    computed.shift()?.(choiceOf(eight));
    await pass(1);
    assert.deepEqual([await list(), variant.applied], [[], []]);
    variants = [];
    await pass(1);
    computed.shift()?.(choiceOf(eight));
    await pass(1);
    assert.deepEqual([await list(), variant.applied], [[], []]);
  });

  test('stores the effect of the last decision if a variant is unloaded, and nothing if its endpoint is deleted', async () => {
    await pass(1);
    variant.measured = { requests: 7, p95Ms: 90 };
    variants = [];
    await pass(1);
    assert.equal(effectIn((await list())[0]).requests, 7);
    variants = [variant];
    await opened.db.deleteFrom('endpoints').execute();
    await pass(2);
    assert.deepEqual(await list(), []);
  });
});
