/** Nothing changes an instance count without a decision that says why: each cause, and random sequences of them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ScalingController, ScalingStates } from '../src/autoscaling/index.ts';
import { type BacklogObservation } from '../src/autoscaling/strategies/observation.ts';
import { type EndpointConfig, parseFloor, type ScalingConfig, type VariantConfig } from '../src/deployment/index.ts';
import type { Decision } from '../src/records/index.ts';
import { noTraffic } from '../src/serving/index.ts';
import { count, Scaled } from './aws-scaling-fixture.ts';
import { settle } from './deployment-fixture.ts';

const limits: ScalingConfig = { policy: 'hold', instancesMin: 1, instancesMax: 8, usdPerHourMax: null };

/** An endpoint whose count every cause can change, with its decisions. */
class Watched {
  readonly scaled: Scaled;
  backlog: BacklogObservation | null = null;
  queue = 0;
  /** The count according to the decisions so far. */
  #decided: number | null = null;
  #seen = new Set<string>();
  #controller: ScalingController;

  constructor(scaled: Scaled) {
    this.scaled = scaled;
    this.#controller = this.#newController();
  }

  static async open(): Promise<Watched> {
    const watched = new Watched(await Scaled.open());
    watched.deployments.rollouts.follow({ get: () => null });
    watched.#decided = watched.wanted;
    return watched;
  }

  get deployments() {
    return this.scaled.aws.fixture.deployments;
  }

  get wanted(): number {
    return this.scaled.now.wanted ?? Number.NaN;
  }

  get variants(): readonly VariantConfig[] {
    return this.deployments.get('prod').config.variants;
  }

  withFirst(change: (first: VariantConfig) => VariantConfig): Pick<EndpointConfig, 'variants'> {
    return { variants: this.variants.map((each, index) => (index === 0 ? change(each) : each)) };
  }

  setScaling(scaling: ScalingConfig | null): Promise<unknown> {
    return this.deployments.setScaling('prod', 'AllTraffic', scaling, 'me');
  }

  /** Runs the scaling controller for some seconds. */
  async review(seconds: number): Promise<void> {
    this.#controller.open();
    await this.scaled.pass(seconds, 1);
    await this.#controller.close();
    this.#controller = this.#newController();
    await settle();
  }

  /** The decisions since the last call. Together they account for every change of the count since then. */
  async news(): Promise<Decision[]> {
    await settle();
    const all = await this.scaled.decisions.list({ endpoint: 'prod', kind: 'scaling', changes: true, limit: 1000 });
    const fresh = all.filter(({ id, variant }) => variant === 'AllTraffic' && !this.#seen.has(id)).reverse();
    for (const { chosen, explanation } of fresh) {
      const { plan } = chosen as { plan: Readonly<Record<string, number>> };
      const next = Object.values(plan).reduce((sum, each) => sum + each, 0);
      const verb =
        next > (this.#decided ?? 0) ? /^(grew to|started)/ : next < (this.#decided ?? 0) ? /^(shrank to|removed|scaled to zero)/ : /^kept/;
      assert.match(explanation, verb, `from ${this.#decided} to ${next}`);
      this.#decided = next;
    }
    assert.equal(this.wanted, this.#decided, 'the last decision chose the current number');
    this.#seen = new Set(all.map(({ id }) => id));
    return fresh;
  }

  #newController(): ScalingController {
    const { db, clock, log, decisions, events, deployments } = this.scaled.aws.fixture;
    const type = { name: 'ml.m5.large', usdPerHour: 0.1, batchSize: 1, ratePerSecond: 10, usdPerRequest: 1e-6, isFeasible: true };
    const variant = () => ({ endpoint: 'prod', variant: 'AllTraffic', objective: null, isSettled: true, type, overflow: null });
    const idle = { hasFunctions: false, shutReason: null, startTrouble: null, traffic: noTraffic, spentUsd: 0 };
    return new ScalingController({
      clock,
      log,
      decisions,
      events,
      states: new ScalingStates(db, clock),
      leadMinMs: 0,
      follow: () => undefined,
      carryOut: (decision) => deployments.counts.decided(decision),
      variants: () => {
        const [shown] = deployments.get('prod').variants;
        const config = this.variants[0]?.scaling;
        const instances = (shown?.instances ?? []).map((instance) => ({ ...instance, idleSinceMs: null }));
        const { queue, backlog } = this;
        return config === undefined ? [] : [{ ...variant(), ...idle, config, wanted: this.wanted, instances, queue, backlog }];
      },
    });
  }
}

const step = {
  PolicyName: 's',
  StepScalingPolicyConfiguration: {
    AdjustmentType: 'ChangeInCapacity',
    StepAdjustments: [{ MetricIntervalLowerBound: 0, ScalingAdjustment: 2 }],
  },
};
const cpu = { Namespace: 'host', MetricName: 'CPUUtilization', Statistic: 'Average', Dimensions: [] };
const metric = {
  PolicyName: 'm',
  PolicyType: 'TargetTrackingScaling',
  TargetTrackingScalingPolicyConfiguration: { TargetValue: 50, CustomizedMetricSpecification: cpu },
};

interface Cause {
  readonly cause: string;
  readonly before?: (watched: Watched) => Promise<unknown>;
  readonly act: (watched: Watched) => Promise<unknown>;
  readonly trigger: string;
  readonly reason: string;
  readonly explanation: RegExp;
}

const resized = (instanceCount: number) => (first: VariantConfig) => ({ ...first, instanceCount });

const causes: readonly Cause[] = [
  {
    cause: 'a user who updates a fixed count',
    act: (watched) => watched.deployments.update('prod', watched.withFirst(resized(3)), 'me'),
    trigger: 'update',
    reason: 'requested',
    explanation: /^grew to 3 × ml\.m5\.large: me updated the endpoint$/,
  },
  {
    cause: 'a user who sets the count of a scaling variant',
    before: (watched) => watched.setScaling(limits),
    act: (watched) => watched.deployments.setCount('prod', 'AllTraffic', 9, 'me'),
    trigger: 'update',
    reason: 'requested',
    explanation: /^grew to 8 × ml\.m5\.large: me set the number of instances to 9$/,
  },
  {
    cause: 'a new minimum',
    before: (watched) => watched.setScaling(limits),
    act: ({ scaled }) => scaled.register({ MinCapacity: 4 }),
    trigger: 'update',
    reason: 'requested',
    explanation: /^grew to 4 × ml\.m5\.large: AKME changed the scaling$/,
  },
  {
    cause: 'a new maximum, by an update',
    before: async (watched) => {
      await watched.setScaling(limits);
      await watched.deployments.setCount('prod', 'AllTraffic', 6, 'me');
    },
    act: (watched) =>
      watched.deployments.update(
        'prod',
        watched.withFirst((first) => ({ ...first, scaling: { ...limits, instancesMax: 2 } })),
        'me',
      ),
    trigger: 'update',
    reason: 'requested',
    explanation: /^shrank to 2 × ml\.m5\.large: me updated the endpoint$/,
  },
  {
    cause: 'the end of scaling to zero',
    before: async (watched) => {
      await watched.setScaling({ ...limits, instancesMin: 0 });
      await watched.deployments.setCount('prod', 'AllTraffic', 0, 'me');
    },
    act: (watched) => watched.setScaling(null),
    trigger: 'update',
    reason: 'requested',
    explanation: /^grew to 1 × ml\.m5\.large: me changed the scaling$/,
  },
  {
    cause: 'a rollback of an update',
    before: (watched) => {
      const guard = { steps: [{ share: 1, bakeMs: 60_000 }], alarms: [], timeoutMs: null };
      return watched.deployments.update('prod', watched.withFirst(resized(3)), 'me', undefined, guard);
    },
    act: ({ deployments }) => deployments.rollBack('prod', 'you'),
    trigger: 'rollback',
    reason: 'requested',
    explanation: /^shrank to 1 × ml\.m5\.large: you rolled the update back$/,
  },
  {
    cause: 'a scheduled action',
    before: ({ scaled }) => scaled.register(),
    act: async ({ scaled }) => {
      const action = { ScheduledActionName: 'morning', Schedule: 'rate(1 minute)', ScalableTargetAction: { MinCapacity: 3 } };
      await scaled.call('PutScheduledAction', { ...count, ...action });
      scaled.scaling.open();
      await scaled.pass(70);
      await scaled.scaling.close();
    },
    trigger: 'schedule',
    reason: 'requested',
    explanation: /^grew to 3 × ml\.m5\.large: scheduled action name morning was triggered: minimum capacity 3, maximum capacity 4$/,
  },
  {
    cause: 'an alarm with a step policy',
    before: ({ scaled }) => scaled.register(),
    act: async ({ scaled }) => {
      const { PolicyARN } = await scaled.call('PutScalingPolicy', { ...count, ...step });
      await scaled.scaling.alarmed(PolicyARN, 7);
    },
    trigger: 'alarm',
    reason: 'requested',
    explanation: /^grew to 3 × ml\.m5\.large: policy s was triggered by an alarm: its metric is 7 above the threshold$/,
  },
  {
    cause: 'a tracked metric',
    before: ({ scaled }) => scaled.register(),
    act: async ({ scaled }) => {
      await scaled.call('PutScalingPolicy', { ...count, ...metric });
      scaled.metric = 100;
      scaled.scaling.open();
      await scaled.pass(10);
      await scaled.scaling.close();
    },
    trigger: 'metric',
    reason: 'requested',
    explanation: /^grew to 2 × ml\.m5\.large: policy m was triggered: CPUUtilization is 100, target 50$/,
  },
  {
    cause: 'the scaling policy',
    before: (watched) => watched.setScaling({ ...limits, policy: 'static:5' }),
    act: (watched) => watched.review(20),
    trigger: 'period',
    reason: 'rule',
    explanation: /^grew to 5 × ml\.m5\.large: as configured/,
  },
  {
    cause: 'a scheduled floor',
    before: (watched) => watched.setScaling({ ...limits, floors: [parseFloor('00:00-24:00 2')] }),
    act: (watched) => watched.review(20),
    trigger: 'period',
    reason: 'schedule',
    explanation: /^grew to 2 × ml\.m5\.large: the current number is held; the schedule requires this number/,
  },
  {
    cause: 'the backlog of asynchronous requests',
    before: (watched) => watched.setScaling({ ...limits, policy: 'backlog' }),
    act: (watched) => {
      watched.backlog = { requests: 50, oldestMs: 0, objectiveMs: 60_000, workMs: 6000, concurrency: 2 };
      return watched.review(3);
    },
    trigger: 'period',
    reason: 'rule',
    explanation: /^grew to 3 × ml\.m5\.large: 50 requests, the oldest 0\.0 s old/,
  },
  {
    cause: 'a request for an endpoint at zero',
    before: async (watched) => {
      await watched.setScaling({ ...limits, instancesMin: 0 });
      await watched.deployments.setCount('prod', 'AllTraffic', 0, 'me');
    },
    act: async (watched) => {
      await watched.review(2);
      watched.queue = 1;
      await watched.review(2);
    },
    trigger: 'period',
    reason: 'wake',
    explanation: /^started 1: a request arrived and there was no instance$/,
  },
];

describe('a change of an instance count by', () => {
  for (const { cause, before, act, trigger, reason, explanation } of causes) {
    test(`${cause} is one decision that names it`, async () => {
      const watched = await Watched.open();
      await before?.(watched);
      await watched.news();
      await act(watched);
      const [made, ...others] = await watched.news();
      assert.deepEqual([made?.trigger, made?.reason, others], [trigger, reason, []]);
      assert.match(made?.explanation ?? '', explanation);
    });
  }
});

test('any sequence of causes leaves decisions that account for each count', { timeout: 60_000 }, async () => {
  const watched = await Watched.open();
  let changes = 0;
  const number = fc.integer({ min: 0, max: 9 });
  const scaling = fc
    .record({
      policy: fc.constantFrom('hold', 'static:3', 'backlog'),
      instancesMin: fc.nat({ max: 4 }),
      instancesMax: fc.integer({ min: 4, max: 8 }),
    })
    .map((some) => ({ ...limits, ...some }));
  const action = fc.oneof(
    fc.option(scaling).map((to) => () => watched.setScaling(to)),
    number.map((to) => () => watched.deployments.setCount('prod', 'AllTraffic', to, 'me')),
    number.map((to) => () => watched.deployments.update('prod', watched.withFirst(resized(to)), 'me')),
    number.map((to) => () => watched.deployments.counts.requested('prod', 'AllTraffic', to, { trigger: 'alarm', why: 'an alarm' })),
    fc.constant(() => watched.review(2)),
    fc.constant(() => watched.deployments.rollBack('prod', 'me')),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 3, maxLength: 8 }), async (actions) => {
      await watched.setScaling(limits);
      for (const act of actions) await act().catch(() => undefined); // a rejected change changes nothing
      changes += (await watched.news()).length;
    }),
    { numRuns: 20 },
  );
  assert(changes > 0, 'the sequences changed the count'); // how often is up to chance
});
