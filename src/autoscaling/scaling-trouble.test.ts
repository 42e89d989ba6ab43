/** What the number of instances does where something is wrong: no money, nothing that starts, a clock that is set back, a restart. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { config, overflow, type, World } from '../../test/scaled-world.ts';
import { noTraffic } from '../serving/index.ts';
import type { ScalingInputs } from './decide-record.ts';

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
    assert.deepEqual(world.made, []);
    world.given = { config: { ...budgeted, usdPerHourMax: null }, overflow };
    await world.pass(2);
    assert.equal(allowance(world), null);
    const triggers = world.made.map(({ trigger }) => trigger);
    assert.deepEqual(triggers, ['manual'], 'a budget that is another now is decided on');
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

describe('where no instance keeps the objective', () => {
  const slow = { ...type, isFeasible: false, infeasibleBecause: 'type local.1 cannot meet 5 ms: 2*s(1)+d = 21 ms' };

  test('as many are started as carry what comes, so that nobody waits without end, and it says what to do', async () => {
    const [world, other] = [new World(), new World()];
    for (const [each, given] of [[world, slow] as const, [other, type] as const]) {
      each.given = { type: given, config: { ...config, instancesMax: 20 } };
      each.ratePerSecond = 30;
      await each.pass(60);
    }
    assert(world.wanted >= 4, `${world.wanted} of 10/s for 30/s`);
    assert.equal(world.wanted, other.wanted, 'as many as of a type that keeps it');
    assert.equal(world.made.at(-1)?.reason, 'infeasible');
    assert.match(
      world.told.at(-1) ?? '',
      /cannot meet 5 ms: 2\*s\(1\)\+d = 21 ms; there are no functions; planned as .*; relax the objective/,
    );
  });

  test('functions serve alone', async () => {
    const world = new World();
    world.given = { type: slow, overflow, config: { ...config, instancesMin: 0 } };
    world.ratePerSecond = 30;
    await world.pass(30);
    assert.equal(world.wanted, 0);
    assert.match(world.told.at(-1) ?? '', /functions serve alone/);
  });

  test('the minimum stays beside functions', async () => {
    const world = new World();
    world.given = { type: slow, overflow };
    world.ratePerSecond = 30;
    await world.pass(30);
    assert.equal(world.wanted, 1);
    assert.match(world.told.at(-1) ?? '', /^kept 1 × local\.1: .*; functions serve beside the minimum/);
  });

  test('a few noisy service times send nobody away, and those that last do', async () => {
    const world = new World();
    world.given = { overflow, config: { ...config, instancesMin: 0 } };
    world.ratePerSecond = 30;
    await world.pass(120);
    const { wanted } = world;
    assert(wanted > 1);
    world.given = { ...world.given, type: slow };
    await world.pass(60);
    assert(world.wanted >= wanted, 'a minute of it');
    world.given = { ...world.given, type };
    await world.pass(60);
    world.given = { ...world.given, type: slow };
    await world.pass(110);
    assert(world.wanted >= wanted, 'counted anew');
    await world.pass(30);
    assert.equal(world.wanted, 0);
    world.given = { ...world.given, type };
    await world.pass(110);
    assert.equal(world.wanted, 0, 'nor is it taken back at the first good one');
    assert.match(world.told.at(-1) ?? '', /keeps the objective again, for less than 2 minutes/);
    await world.pass(60);
    assert(world.wanted > 1);
  });

  test('what the first few service times say stands no longer than they do', async () => {
    const world = new World();
    world.given = { type: slow, overflow };
    world.ratePerSecond = 30;
    await world.pass(15);
    assert.equal(world.wanted, 1);
    world.given = { overflow };
    await world.pass(15);
    assert(world.wanted > 1, 'it was slow for less than a minute');
  });

  test('another objective is judged at once', async () => {
    const world = new World();
    world.given = { overflow, config: { ...config, instancesMin: 0 } };
    world.ratePerSecond = 30;
    await world.pass(60);
    world.given = { ...world.given, type: slow, objective: { percentile: 95, latencyMs: 5 } };
    await world.pass(15);
    assert.equal(world.wanted, 0);
  });
});
