import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { VirtualClock } from '../clock.ts';
import { defaultPrices } from '../costs/index.ts';
import { functionsDefault } from '../deployment/index.ts';
import { PlatformError } from '../errors.ts';
import { type Decision, Decisions, Events, openLogs, type PlatformEvent } from '../monitoring/index.ts';
import { type FunctionProfile, ServiceTable } from '../profiling/index.ts';
import type { ModelVersion } from '../registry/index.ts';
import type { FunctionSetting, FunctionVariant, PeriodMeasure } from '../serving/index.ts';
import { type OpenDatabase, openDatabase } from '../storage/index.ts';
import { BatchController } from './batch-controller.ts';
import type { BatchingEffect, BatchingInputs, BatchingSetting } from './batching-decision.ts';
import type { ChoiceOrder } from './choose-batching.ts';
import type { ComputedChoice } from './chooser.ts';

const periodMs = 30_000;

/** A serverless variant that does as it is told. */
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

  takeAlarm(): boolean {
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
  let orders: ChoiceOrder[];
  let heard: PlatformEvent[];
  let choose: (order: ChoiceOrder) => Promise<ComputedChoice>;
  const two: BatchingSetting = { memoryMiB: 1024, batchSizeMax: 2, waitMsMax: null };
  const eight: BatchingSetting = { memoryMiB: 1024, batchSizeMax: 8, waitMsMax: null };

  beforeEach(async () => {
    clock = new VirtualClock();
    opened = await openDatabase({ file: ':memory:', synchronous: 'NORMAL' });
    const row = { config: '{}', generation: 1, desired: 'InService' as const, created_at: 1, updated_at: 1 };
    await opened.db
      .insertInto('endpoints')
      .values({ name_key: 'digits', name: 'digits', ...row })
      .execute();
    events = new Events(opened.db, clock);
    heard = [];
    events.subscribe((event) => heard.push(event));
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
        choose: (order) => {
          orders.push(order);
          return choose(order);
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

  /** Lets so much time pass, second by second, and everything happen that follows from it. */
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

  test('decides at the deploy, though nobody came, and then not again until somebody does', async () => {
    await pass(120);
    const [only, ...others] = await list();
    assert.deepEqual(others, []);
    assert.deepEqual([only?.trigger, only?.chosen, only?.effect], ['deploy', two, null]);
    assert.deepEqual(variant.applied, [{ ...two, decisionId: only?.id }]);
    arrive();
    await pass(2);
    assert.deepEqual(await triggers(), ['deploy', 'period']);
  });

  test('waits with its first decision until service times are known', async () => {
    profiles = [];
    await pass(5);
    assert.deepEqual([await list(), variant.applied], [[], []]);
    profiles = [profile];
    await pass(1);
    assert.deepEqual(await triggers(), ['deploy']);
  });

  test('decides each period while requests come, and adds what was measured to the decision before', async () => {
    await pass(1);
    for (let second = 0; second < 61; second++) {
      arrive();
      variant.measured = { requests: 40, p50Ms: 45, p95Ms: 100, p99Ms: 110, meanBatch: 2.5, meanWaitMs: 30, costUsdPerMillion: 0.4 };
      await pass(1);
    }
    const [latest, kept, first] = await list();
    assert.deepEqual(await triggers(), ['deploy', 'period', 'period']);
    assert.deepEqual([first?.changes, kept?.changes], [true, false]);
    const effect = effectIn(first);
    assert.deepEqual([effect.requests, effect.p95ErrorPercent, effect.costErrorPercent], [40, -10, 25]);
    assert.equal(effectIn(kept).meanBatch, 2.5);
    assert.deepEqual(controller.standing('digits', 'alltraffic')?.measured, kept?.effect, 'nobody came since, so of the one before');
    variant.measured = { requests: 3, p95Ms: 60 };
    assert.equal(controller.standing('digits', 'AllTraffic')?.measured?.p95ErrorPercent, 50);
    variant.measured = {};
    assert.equal(latest?.effect, null);
    assert.deepEqual(
      variant.applied.map(({ decisionId }) => decisionId),
      [first?.id, kept?.id, latest?.id],
      'also a kept setting begins a new period',
    );
    assert.equal(heard.filter(({ kind }) => kind === 'decision.made').length, 1);
  });

  test('what the choice is made from is what serving and profiling know', async () => {
    variant.config = { ...functionsDefault, memoryMiB: 2048 };
    variant.times = [-130_000, -120_000, -50_000];
    profiles = [profile, { ...profile, memoryMiB: 2048 }, { ...profile, memoryMiB: 128, fits: false }];
    await pass(1);
    const [order] = orders;
    assert.deepEqual([order?.profiles.map(({ memoryMiB }) => memoryMiB), order?.marginMs, order?.current], [[2048], 2, null]);
    assert.deepEqual(order?.coldStart, { probability: 0.5, ms: 150 });
    assert.deepEqual(order?.objective, { percentile: 95, latencyMs: 100 });
    const inputs = (await list())[0]?.inputs as BatchingInputs;
    assert.deepEqual(inputs.wish, { model: 'digits/1', objective: variant.objective, memoryMiB: 2048, policy: { kind: 'slack' } });
    assert.deepEqual(inputs.profiles, [{ memoryMiB: 2048, basis: 'measured', measuredAtMs: 5 }]);
  });

  test('decides anew at once where the endpoint is configured anew, the arrivals change or somebody asks', async () => {
    await pass(1);
    variant.objective = { percentile: 99, latencyMs: 80 };
    await pass(1);
    variant.alarm = true;
    await pass(5);
    assert.equal(controller.ask('DIGITS'), true);
    assert.equal(controller.ask('other'), false);
    await pass(1);
    assert.deepEqual(await triggers(), ['deploy', 'deploy', 'change-point', 'manual']);
  });

  test('decides once for several profiles that are measured one after the other', async () => {
    await pass(1);
    for (let size = 0; size < 4; size++) {
      controller.profileMeasured('Digits', 1);
      controller.profileMeasured('digits', 2);
      await pass(3);
    }
    await pass(10);
    assert.deepEqual(await triggers(), ['deploy', 'profile']);
  });

  test('after a restart the last setting holds at once, with nothing computed; another wish is decided for', async () => {
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
    assert.equal(controller.standing('digits', 'AllTraffic')?.measured?.requests, 5, 'what came of it before');
    await controller.close();
    variant.config = { ...functionsDefault, batching: { kind: 'none' } };
    start();
    await pass(1);
    assert.deepEqual([orders.length, await triggers()], [1, ['deploy', 'deploy']]);
  });

  test('a variant that was unloaded and loaded between two looks gets its setting back', async () => {
    await pass(1);
    const { decisionId } = variant.setting;
    variant = new ScriptedVariant();
    variants = [variant];
    await pass(1);
    assert.deepEqual([variant.applied, orders.length], [[{ ...two, decisionId }], 1]);
  });

  test('one whose endpoint was deleted and made again between two looks is decided for', async () => {
    await pass(1);
    await opened.db.deleteFrom('decisions').execute();
    variant = new ScriptedVariant();
    variants = [variant];
    await pass(1);
    assert.deepEqual([orders.length, variant.applied.length, await triggers()], [2, 1, ['deploy']]);
  });

  test('an objective that nothing keeps is a result: the reason says so, and events when it begins and ends', async () => {
    choose = () => Promise.resolve(choiceOf(eight, { feasible: false, reason: 'p95<=100ms is missed by 40 ms at best' }));
    await pass(1);
    assert.equal(controller.reasonOf('Digits'), 'p95<=100ms is missed by 40 ms at best');
    assert.equal(controller.reasonOf('other'), null);
    const { objective } = variant;
    variant.objective = { percentile: 95, latencyMs: 500 };
    assert.equal(controller.reasonOf('digits'), null, 'nothing was decided for this objective yet');
    variant.objective = objective;
    await controller.close();
    start();
    await pass(1);
    assert.equal(controller.reasonOf('digits'), 'p95<=100ms is missed by 40 ms at best', 'it is not told again, and still so');
    choose = () => Promise.resolve(choiceOf(eight));
    variant.objective = { percentile: 95, latencyMs: 500 };
    variant.setting = { memoryMiB: 2048, batchSizeMax: 1, waitMsMax: null, decisionId: null }; // as serving does it
    await pass(1);
    assert.equal(controller.reasonOf('digits'), null);
    assert.deepEqual(
      heard.map(({ kind }) => kind).filter((kind) => kind.startsWith('endpoint.')),
      ['endpoint.objective-unreachable', 'endpoint.objective-reachable'],
    );
  });

  test('where the computation fails the old setting stays, and it is tried again', async () => {
    await pass(6);
    choose = () => Promise.reject(new PlatformError('unavailable', 'the thread died'));
    variant.alarm = true;
    await pass(3);
    assert.deepEqual([orders.length, variant.applied.length], [2, 1]);
    choose = () => Promise.resolve(choiceOf(eight));
    await pass(10);
    assert.deepEqual(variant.setting.batchSizeMax, 8);
  });

  test('what was computed for a wish or a variant that is gone meanwhile is thrown away', async () => {
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

  test('a variant that goes leaves what came of its last decision; one whose endpoint goes leaves nothing', async () => {
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
