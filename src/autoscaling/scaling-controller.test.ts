import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openControlPlane } from '../../test/control-plane.ts';
import { VirtualClock } from '../clock.ts';
import type { Decision, NewDecision, NewEvent } from '../monitoring/index.ts';
import { noTraffic, type OverflowPlan, type TrafficCounts } from '../serving/index.ts';
import type { ScalingEffect } from './decide-effect.ts';
import type { ScalingInputs } from './decide-record.ts';
import type { ScaledVariant, SeenInstance } from './scaled-variant.ts';
import { ScalingController } from './scaling-controller.ts';
import { ScalingStates } from './scaling-states.ts';

const config = { policy: 'economic,hold=1', instancesMin: 1, instancesMax: 5, usdPerHourMax: null };
/** 10 rows/s, and a cent an hour: functions are dearer by far. */
const type = { name: 'local.1', usdPerHour: 0.01, batchSize: 1, ratePerSecond: 10, usdPerRequest: 1e-6, isFeasible: true };
const overflow = { usdPerRequest: 1e-3 };

/** A clock whose hands can be set back. */
class SetClock extends VirtualClock {
  #backMs = 0;

  override wallMs(): number {
    return super.wallMs() - this.#backMs;
  }

  setBack(ms: number): void {
    this.#backMs += ms;
  }
}

/** A world that obeys at once: instances come three seconds after they were wished for, and rows at a rate. */
class World {
  readonly clock: SetClock;
  readonly made: NewDecision[] = [];
  readonly effects = new Map<string, ScalingEffect>();
  readonly kept = new Map<string, string>();
  readonly warnings: string[] = [];
  readonly givenUp: string[] = [];
  readonly events: NewEvent[] = [];
  /** What functions keep to, as they were told last. */
  readonly plans = new Map<string, OverflowPlan>();
  ratePerSecond = 0;
  /** What the config says. */
  given: Partial<ScaledVariant> = {};
  wanted = 1;
  isServed = true;
  startTrouble: string | null = null;
  leaving: readonly string[] = [];
  instances: SeenInstance[] = [];
  controller: ScalingController;
  #arrived = 0;
  #started = 0;

  constructor(startMs?: number) {
    this.clock = new SetClock(startMs);
    this.controller = this.newController();
    this.#obey();
    this.controller.open();
  }

  get traffic(): TrafficCounts {
    const requests = Math.floor(this.#arrived);
    return { ...noTraffic, requestsArrived: requests, rowsArrived: requests, requests };
  }

  get told(): string[] {
    return this.made.map(({ explanation }) => explanation);
  }

  newController(): ScalingController {
    const noted = (_: unknown, message: string): void => void this.warnings.push(message);
    return new ScalingController({
      clock: this.clock,
      log: { warn: noted, info: () => undefined } as never,
      leadMinMs: 0,
      decisions: {
        record: async (decision) => {
          this.made.push(decision);
          return { ...decision, id: `d${this.made.length}`, atMs: 0, effect: null } satisfies Decision;
        },
        fillEffect: async ({ id, effect }) => void this.effects.set(id, effect as ScalingEffect),
        giveUpEffects: async (kind, why) => void this.givenUp.push(`${kind}: ${why}`),
      },
      events: {
        recordAndPublish: async (event) => {
          this.events.push(event);
          return { ...event, seq: 1, id: 'e', atMs: 0 };
        },
      },
      follow: (endpoint, variant, plan) => void this.plans.set(`${endpoint}/${variant}`, plan),
      states: {
        read: async (...names) => JSON.parse(this.kept.get(names.join('/')) ?? 'null') as unknown,
        write: async (endpoint, variant, state) => void this.kept.set(`${endpoint}/${variant}`, JSON.stringify(state)),
      },
      variants: () => (this.isServed ? [this.variant()] : []),
      scale: async (_endpoint, _variant, count, leaving) => {
        this.wanted = count;
        this.leaving = leaving;
        this.#obey();
        return count;
      },
    });
  }

  /** Another server on the same state, after this one was killed. */
  kill(): void {
    this.clock.advance(0);
    this.controller = this.newController();
    this.controller.open();
  }

  variant(): ScaledVariant {
    const { wanted, startTrouble, instances, traffic } = this;
    const named = {
      endpoint: 'prod',
      variant: 'AllTraffic',
      config,
      objective: null,
      isSettled: true,
      type,
      overflow: null,
      shutReason: null,
      hasFunctions: (this.given.overflow ?? null) !== null,
    };
    return { ...named, wanted, startTrouble, instances, traffic, queue: 0, spentUsd: 0, ...this.given };
  }

  async pass(seconds: number): Promise<void> {
    for (let i = 0; i < seconds * 4; i++) {
      this.#arrived += this.ratePerSecond / 4;
      this.clock.advance(250);
      await new Promise(setImmediate);
      this.instances = this.instances.map((instance) =>
        instance.state === 'launching' && this.clock.wallMs() - instance.startedAtMs >= 3000
          ? { ...instance, state: 'active', readyAtMs: instance.startedAtMs + 3000 }
          : instance,
      );
    }
  }

  #obey(): void {
    while (this.instances.length > this.wanted) {
      const first = this.leaving.find((id) => this.instances.some((instance) => instance.id === id));
      this.instances = this.instances.filter(({ id }) => id !== (first ?? this.instances[0]?.id));
    }
    while (this.instances.length < this.wanted && this.startTrouble === null) {
      const id = `i${this.#started++}`;
      const fresh = { state: 'launching', startedAtMs: this.clock.wallMs(), readyAtMs: null, restarts: 0, reason: null } as const;
      this.instances = [...this.instances, { id, ...fresh, idleSinceMs: null }];
    }
  }
}

describe('the number of instances', () => {
  test('follows the load up and down, and each decision says why', async () => {
    const world = new World();
    world.ratePerSecond = 3;
    await world.pass(60);
    assert.equal(world.wanted, 1);
    world.ratePerSecond = 30;
    await world.pass(60);
    assert.equal(world.wanted, 5, '30 rows/s need four at 85 %, and one in case more come');
    assert(world.told.some((text) => text.startsWith('grew to')));
    world.ratePerSecond = 0;
    await world.pass(120);
    assert.equal(world.wanted, 1);
    const last = world.made.findLast(({ changes }) => changes);
    assert.match(last?.explanation ?? '', /^shrank to 1 × local\.1: /);
    assert.deepEqual([last?.kind, last?.endpoint, last?.variant, last?.trigger], ['scaling', 'prod', 'AllTraffic', 'period']);
    const { actions = [] } = (last?.chosen ?? {}) as { actions?: readonly { op: string }[] };
    assert(actions.length > 0 && actions.every(({ op }) => op === 'drain'));
    assert.deepEqual(world.warnings, []);
  });

  test('is decided once a slot, also where nothing changes', async () => {
    const world = new World();
    world.ratePerSecond = 2;
    await world.pass(63);
    assert.equal(world.made.length, 6);
    assert(world.made.every(({ changes }) => !changes));
    assert.match(world.told.at(-1) ?? '', /^kept 1 × local\.1: /);
  });

  test('stays while an update is under way, and what comes meanwhile is counted', async () => {
    const world = new World();
    world.ratePerSecond = 30;
    world.given = { isSettled: false };
    await world.pass(35);
    assert.deepEqual([world.wanted, world.made.length], [1, 0]);
    world.given = {};
    await world.pass(2);
    assert(world.wanted >= 4);
  });

  test('goes down to none where nobody asks, and whoever asks then wakes one', async () => {
    const world = new World();
    world.given = { config: { ...config, policy: 'track:60', instancesMin: 0 } };
    world.ratePerSecond = 2;
    await world.pass(90);
    assert.equal(world.wanted, 2);
    world.ratePerSecond = 0;
    await world.pass(200);
    assert.equal(world.wanted, 2, 'the last was five minutes ago at the least');
    await world.pass(110);
    assert.equal(world.wanted, 0);
    const rested = world.made.findLast(({ changes }) => changes);
    assert.deepEqual([rested?.reason, rested?.explanation.includes('waits until one has been started')], ['rest', true]);
    world.kill();
    await world.pass(20);
    assert.equal(world.wanted, 0, 'also with another server');
    world.given = { ...world.given, queue: 1 };
    await world.pass(1);
    assert.equal(world.wanted, 1);
    assert.equal(world.made.at(-1)?.reason, 'wake');
    world.given = { ...world.given, queue: 0 };
    await world.pass(290);
    assert.equal(world.wanted, 1);
    await world.pass(30);
    assert.equal(world.wanted, 0);
  });

  test('is what somebody said under a policy that holds, but for one that is woken', async () => {
    const world = new World();
    world.given = { config: { ...config, policy: 'hold', instancesMin: 0 } };
    world.wanted = 3;
    await world.pass(400);
    assert.equal(world.wanted, 3);
    world.wanted = 0;
    world.instances = [];
    await world.pass(20);
    world.given = { ...world.given, queue: 1 };
    await world.pass(1);
    assert.equal(world.wanted, 1);
    world.given = { ...world.given, queue: 0 };
    await world.pass(330);
    assert.equal(world.wanted, 0);
  });

  test('moves only the ways that are open', async () => {
    const world = new World();
    const tracked = { ...config, policy: 'track:60,in=0,out=0' };
    world.given = { config: { ...tracked, directions: 'in' } };
    world.ratePerSecond = 4;
    await world.pass(90);
    assert.equal(world.wanted, 1);
    world.given = { config: { ...tracked, directions: 'out' } };
    await world.pass(30);
    assert.equal(world.wanted, 4);
    world.ratePerSecond = 1;
    await world.pass(120);
    assert.equal(world.wanted, 4);
    world.given = { config: { ...tracked, directions: 'none' } };
    world.ratePerSecond = 10;
    await world.pass(60);
    assert.equal(world.wanted, 4);
    world.given = { config: { ...tracked, directions: 'none', instancesMax: 2 } };
    await world.pass(60);
    assert.equal(world.wanted, 2, 'the limits hold all the same');
    world.given = { config: tracked };
    world.ratePerSecond = 0.5;
    await world.pass(120);
    assert.equal(world.wanted, 1);
  });

  test('goes down to none where functions serve what little comes, and back', async () => {
    const world = new World();
    world.given = { config: { ...config, instancesMin: 0 }, overflow: { usdPerRequest: 1e-6 } };
    await world.pass(60);
    assert.equal(world.wanted, 0);
    assert.match(world.told.at(-1) ?? '', /no instance/);
    world.ratePerSecond = 40;
    await world.pass(60);
    assert(world.wanted >= 3);
  });

  test('keeps to the minimum, the maximum and the money', async () => {
    const world = new World();
    world.ratePerSecond = 1000;
    world.given = { config: { ...config, instancesMax: 3 } };
    await world.pass(30);
    assert.equal(world.wanted, 3);
    world.given = { config: { ...config, instancesMax: 64, usdPerHourMax: 0.021 } };
    world.ratePerSecond = 30;
    await world.pass(120);
    assert.equal(world.wanted, 2);
    assert.match(world.told.at(-1) ?? '', /the budget allows no more/);
    world.given = { config: { ...config, usdPerHourMax: 0.021 }, spentUsd: 0.03 };
    await world.pass(30);
    assert.equal(world.wanted, 1);
    assert.match(world.told.at(-1) ?? '', /the budget of \$0\.021 for this hour is spent: those that are there serve/);
  });

  test('follows a policy that only reacts, by its own clock', async () => {
    const world = new World();
    world.given = { config: { ...config, policy: 'hpa:100,window=15' } };
    world.ratePerSecond = 30;
    await world.pass(90);
    assert.equal(world.wanted, 3);
    world.ratePerSecond = 0;
    await world.pass(120);
    assert.equal(world.wanted, 1);
  });

  test('is decided when somebody asks', async () => {
    const world = new World();
    await world.pass(13);
    const before = world.made.length;
    assert.equal(world.controller.ask('PROD'), true);
    assert.equal(world.controller.ask('other'), false);
    await world.pass(1);
    assert.deepEqual(
      world.made.slice(before).map(({ trigger }) => trigger),
      ['manual'],
    );
  });
});

describe('the money of an hour', () => {
  const budgeted = { ...config, instancesMin: 0, usdPerHourMax: 0.02 };
  const allowance = (world: World) => world.plans.get('prod/AllTraffic')?.allowance;

  test('is for instances first, and what it leaves is for functions', async () => {
    const world = new World();
    world.given = { config: budgeted, overflow };
    await world.pass(2);
    const { usd = 0, forMs = 0 } = allowance(world) ?? {};
    assert(Math.abs(usd - (0.02 - 0.01 * (forMs / 3_600_000))) < 1e-12, `${usd}`);
    world.given = { config: budgeted, overflow, spentUsd: 0.019 };
    await world.pass(2);
    assert.equal(allowance(world)?.usd, 0);
    const { chosen } = world.made.at(-1) ?? {};
    world.given = { config: { ...budgeted, usdPerHourMax: null }, overflow };
    await world.pass(2);
    assert.equal(allowance(world), null);
    assert(chosen !== undefined || world.made.length === 0);
  });

  test('once it is spent what is there serves, which is told once; in the next hour it goes on', async () => {
    const world = new World();
    world.ratePerSecond = 30;
    world.given = { config: budgeted, overflow };
    await world.pass(30);
    const { wanted } = world;
    world.given = { config: budgeted, overflow: null, shutReason: 'nothing is left for functions', spentUsd: 0.03 };
    await world.pass(30);
    assert.deepEqual([world.wanted, allowance(world)?.usd], [1, 0], 'the last one is not sent away');
    const last = world.made.at(-1);
    assert.equal(last?.reason, 'budget-spent');
    assert.match(last?.explanation ?? '', /the budget of \$0\.02 for this hour is spent: .* no more are started until 01:00 UTC/);
    const [told, ...others] = world.events.filter(({ kind }) => kind.startsWith('budget.'));
    assert.deepEqual([told?.kind, told?.subject, others], ['budget.spent', 'prod', []]);
    const resumes = '2026-01-01T01:00:00.000Z';
    assert.partialDeepStrictEqual(told?.detail, { variant: 'AllTraffic', usdPerHourMax: 0.02, spentUsd: 0.03, resumes });
    await world.controller.close();
    world.kill();
    await world.pass(10);
    assert.equal(world.events.length, 1, 'nor is it told again after a restart');
    world.clock.advance(3_600_000 - (world.clock.wallMs() % 3_600_000));
    await world.pass(3);
    assert.equal(world.events.at(-1)?.kind, 'budget.renewed');
    assert((allowance(world)?.usd ?? 0) > 0);
    world.given = { config: { ...budgeted, usdPerHourMax: 1 }, overflow, spentUsd: 0.03 };
    await world.pass(40);
    assert(world.wanted >= wanted);
  });

  test('that was spent before a restart is still spent after it, before anything is decided', async () => {
    const world = new World();
    world.given = { config: { ...budgeted, policy: 'hpa:70' }, overflow };
    await world.pass(5);
    world.given = { ...world.given, spentUsd: 0.05 };
    await world.pass(5);
    await world.controller.close();
    world.plans.clear();
    world.given = { ...world.given, spentUsd: 0 };
    world.kill();
    await world.pass(3);
    assert.equal(allowance(world)?.usd, 0);
  });
});

test('functions are kept warm as decided, as many as the forecast needs and may be, until they scale no more', async () => {
  const world = new World();
  world.given = { overflow: { ...overflow, warmMax: 5, serviceMs: 100 } };
  world.ratePerSecond = 5;
  await world.pass(40);
  assert.equal(world.plans.get('prod/AllTraffic')?.warmFunctions, 1, 'what comes is for the instance');
  world.given = { overflow: { usdPerRequest: 1e-8, warmMax: 5, serviceMs: 100 }, config: { ...config, instancesMin: 1, instancesMax: 1 } };
  world.ratePerSecond = 35;
  await world.pass(40);
  const { warmFunctions = 0 } = world.plans.get('prod/AllTraffic') ?? {};
  assert(warmFunctions >= 3 && warmFunctions <= 5, `25 more than the instance can do are 2.5 busy at once: ${warmFunctions}`);
  world.isServed = false;
  await world.pass(2);
  assert.deepEqual(world.plans.get('prod/AllTraffic'), { warmFunctions: 0, allowance: null });
});

test('where nothing can be started it waits, lets functions help, and says so', async () => {
  const world = new World();
  world.given = { overflow };
  await world.pass(30);
  world.startTrouble = 'no memory left';
  world.ratePerSecond = 30;
  await world.pass(20);
  assert.equal(world.wanted, 1);
  const told = world.made.findLast(({ reason }) => reason === 'start-failed');
  assert.match(
    told?.explanation ?? '',
    /instances cannot be started \(no memory left\): tried again in \d+ s, until then functions take what they cannot finish/,
  );
  world.startTrouble = null;
  await world.pass(60);
  assert(world.wanted >= 4, 'it is tried again');
});

test('what came of a decision is added two slots after the one it was for', async () => {
  const world = new World();
  world.ratePerSecond = 5;
  await world.pass(90);
  const [[id, effect] = []] = world.effects;
  assert.equal(id, 'd1');
  const all = [...world.effects.values()];
  assert.deepEqual(all.at(-1)?.arrivals.length, 4, 'a start takes 3 s, so the second slot is decided for');
  assert.deepEqual([all.at(-1)?.arrivals.at(-1), all.at(-1)?.attainment, all.at(-1)?.windowS], [50, 1, 40]);
  assert.equal(typeof all.at(-1)?.regretUsd, 'number');
  assert(effect !== undefined);
});

describe('nobody knows what came of decisions', () => {
  test('that an earlier server did not live to see', async () => {
    const world = new World();
    assert.deepEqual(world.givenUp, ['scaling: the server was restarted before it was known']);
  });

  test('for what scales no more', async () => {
    const world = new World();
    world.ratePerSecond = 5;
    await world.pass(45);
    const open = world.made.length - world.effects.size;
    assert(open > 0);
    world.isServed = false;
    await world.pass(2);
    assert.equal(world.effects.size, world.made.length);
    const unknown = [...world.effects.values()].filter((effect) => 'unknown' in effect);
    assert.equal(unknown.length, open);
  });
});

describe('where the clock is set back', () => {
  for (const [what, backMs] of [
    ['by less than a second', 700],
    ['by half a minute', 30_000],
    ['by two hours', 7_200_000],
  ] as const) {
    test(`${what}, the instances stay and it goes on deciding; what was learnt stays unless it is far`, async () => {
      const world = new World(10_000_000);
      world.ratePerSecond = 30;
      await world.pass(300);
      const { wanted } = world;
      const learnt = (): number => (world.made.at(-1)?.inputs as ScalingInputs | undefined)?.forecast?.residualsSeen ?? 0;
      const before = learnt();
      assert(before > 10);
      world.clock.setBack(backMs);
      await world.pass(70);
      assert.equal(learnt() >= before, backMs < 300_000);
      const made = world.made.length;
      await world.pass(90);
      assert(world.made.length > made + 5, 'it is decided each slot again');
      assert.deepEqual([world.wanted, world.warnings], [wanted, []]);
      for (const effect of world.effects.values()) assert(effect.windowS >= 0);
    });
  }

  test('into an hour of before, the money that was spent is not there again', async () => {
    const world = new World(3_600_000);
    world.given = { config: { ...config, usdPerHourMax: 0.02 } };
    await world.pass(5);
    world.given = { ...world.given, spentUsd: 0.03 };
    await world.pass(5);
    world.clock.setBack(60_000);
    await world.pass(20);
    assert.equal(world.made.at(-1)?.reason, 'budget-spent');
  });
});

test('what was counted is no number: the slot is as if nobody had counted, and nobody is sent away for it', async () => {
  const world = new World();
  world.ratePerSecond = 30;
  await world.pass(120);
  const { wanted } = world;
  world.given = { traffic: { ...noTraffic, rowsArrived: Number.NaN, requests: Number.NaN } };
  await world.pass(30);
  world.given = {};
  await world.pass(60);
  assert.deepEqual([world.wanted, world.warnings], [wanted, []]);
});

describe('after a restart', () => {
  test('it goes on with what was learnt, the time between being a gap', async () => {
    const world = new World();
    world.ratePerSecond = 30;
    await world.pass(120);
    const { wanted } = world;
    assert(wanted >= 4);
    const size = [...world.kept.values()][0]?.length ?? 0;
    assert(size > 1000 && size < 200_000, `${size}`);
    await world.controller.close();
    const before = world.made.length;
    world.clock.advance(30_000);
    world.kill();
    await world.pass(2);
    const [first] = world.made.slice(before);
    assert.equal(first?.trigger, 'restore');
    assert.equal(world.wanted, wanted, 'it does not forget how much came');
    await world.pass(60);
    assert.deepEqual([world.wanted, world.warnings], [wanted, []]);
  });

  test('with a state that is broken it begins anew', async () => {
    const world = new World();
    await world.controller.close();
    world.kept.set('prod/AllTraffic', '{"format":1,"leadsMs":[],"slo":[],"slotMs":10000,"forecaster":{"name":"?"},"scaling":7}');
    world.kill();
    await world.pass(25);
    assert.equal(world.made[0]?.trigger, 'period');
    assert.deepEqual(world.warnings, []);
  });
});

test('what is kept lies in the database, and goes with its endpoint', async () => {
  const plane = await openControlPlane();
  try {
    const states = new ScalingStates(plane.db, plane.clock);
    const row = { config: '{}', generation: 1, desired: 'InService' as const, created_at: 1, updated_at: 1 };
    await states.write('Prod', 'V', { a: 1 });
    assert.equal(await states.read('prod', 'v'), null, 'there is no such endpoint');
    await plane.db
      .insertInto('endpoints')
      .values({ name_key: 'prod', name: 'Prod', ...row })
      .execute();
    await states.write('Prod', 'V', { a: 1 });
    await states.write('PROD', 'v', { a: 2 });
    assert.deepEqual(await states.read('prod', 'V'), { a: 2 });
    await plane.db.deleteFrom('endpoints').where('name_key', '=', 'prod').execute();
    assert.equal(await states.read('prod', 'V'), null);
  } finally {
    await plane.close();
  }
});
