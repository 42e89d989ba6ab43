/** Scaling under failures: an exhausted budget, failing starts, a clock that is set back, a restart. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { config, overflow, type, World } from '../../../test/scaled-world.ts';
import { noTraffic } from '../../serving/index.ts';
import type { ScalingInputs } from './decide-record.ts';

describe('the hourly budget', () => {
  const budgeted = { ...config, instancesMin: 0, usdPerHourMax: 0.02 };
  const allowance = (world: World) => world.plans.get('prod/AllTraffic')?.sharedBudget;

  test('covers instances first; functions get the rest', async () => {
    const world = new World();
    world.provided = { config: budgeted, overflow };
    await world.pass(2);
    const { usd = 0, forMs = 0 } = allowance(world) ?? {};
    assert(Math.abs(usd - (0.02 - 0.01 * (forMs / 3_600_000))) < 1e-12, `${usd}`);
    world.provided = { config: budgeted, overflow, spentUsd: 0.019 };
    await world.pass(2);
    assert.equal(allowance(world)?.usd, 0);
    assert.deepEqual(world.made, []);
    world.provided = { config: { ...budgeted, usdPerHourMax: null }, overflow };
    await world.pass(2);
    assert.equal(allowance(world), null);
    const triggers = world.made.map(({ trigger }) => trigger);
    assert.deepEqual(triggers, ['manual'], 'a changed budget causes a decision');
  });

  test('once exhausted, stops scaling until the next hour, publishes one event, and keeps running instances', async () => {
    const world = new World();
    world.ratePerSecond = 30;
    world.provided = { config: budgeted, overflow };
    await world.pass(30);
    const { wanted } = world;
    world.provided = { config: budgeted, overflow: null, shutReason: 'no budget is left for functions', spentUsd: 0.03 };
    await world.pass(30);
    assert.deepEqual([world.wanted, allowance(world)?.usd], [1, 0], 'the last instance is not removed');
    const last = world.made.at(-1);
    assert.equal(last?.reason, 'budget-spent');
    assert.match(last?.explanation ?? '', /the budget of \$0\.02 for this hour is exhausted: .* no more are started until 01:00 UTC/);
    const [reported, ...others] = world.events.filter(({ kind }) => kind.startsWith('budget.'));
    assert.deepEqual([reported?.kind, reported?.subject, others], ['budget.exhausted', 'prod', []]);
    const resumes = '2026-01-01T01:00:00.000Z';
    assert.partialDeepStrictEqual(reported?.detail, { variant: 'AllTraffic', usdPerHourMax: 0.02, spentUsd: 0.03, resumes });
    await world.controller.close();
    world.kill();
    await world.pass(10);
    assert.equal(world.events.length, 1, 'the event is not repeated after a restart');
    world.clock.advance(3_600_000 - (world.clock.wallMs() % 3_600_000));
    await world.pass(3);
    assert.equal(world.events.at(-1)?.kind, 'budget.reset');
    assert((allowance(world)?.usd ?? 0) > 0);
    world.provided = { config: { ...budgeted, usdPerHourMax: 1 }, overflow, spentUsd: 0.03 };
    await world.pass(40);
    assert(world.wanted >= wanted);
  });

  test('stays exhausted after a restart, before any decision', async () => {
    const world = new World();
    world.provided = { config: { ...budgeted, policy: 'hpa:70' }, overflow };
    await world.pass(5);
    world.provided = { ...world.provided, spentUsd: 0.05 };
    await world.pass(5);
    await world.controller.close();
    world.plans.clear();
    world.provided = { ...world.provided, spentUsd: 0 };
    world.kill();
    await world.pass(3);
    assert.equal(allowance(world)?.usd, 0);
  });
});

test('keeps functions warm as decided, up to the forecast and the limit, until the variant stops scaling', async () => {
  const world = new World();
  world.provided = { overflow: { ...overflow, warmMax: 5, serviceMs: 100 } };
  world.ratePerSecond = 5;
  await world.pass(40);
  assert.equal(world.plans.get('prod/AllTraffic')?.warmFunctions, 1, 'the instance serves the traffic');
  world.provided = {
    overflow: { usdPerRequest: 1e-8, warmMax: 5, serviceMs: 100 },
    config: { ...config, instancesMin: 1, instancesMax: 1 },
  };
  world.ratePerSecond = 35;
  await world.pass(40);
  const { warmFunctions = 0 } = world.plans.get('prod/AllTraffic') ?? {};
  assert(warmFunctions >= 3 && warmFunctions <= 5, `25 requests above the instance's capacity keep 2.5 functions busy: ${warmFunctions}`);
  world.isServed = false;
  await world.pass(2);
  assert.deepEqual(world.plans.get('prod/AllTraffic'), { warmFunctions: 0, sharedBudget: null });
});

test('if starts fail, waits, uses functions and reports it', async () => {
  const world = new World();
  world.provided = { overflow };
  await world.pass(30);
  world.startTrouble = 'no memory left';
  world.ratePerSecond = 30;
  await world.pass(20);
  assert.equal(world.wanted, 1);
  const reported = world.made.findLast(({ reason }) => reason === 'start-failed');
  assert.match(
    reported?.explanation ?? '',
    /instances fail to start \(no memory left\): next attempt in \d+ s; until then functions take the excess/,
  );
  world.startTrouble = null;
  await world.pass(60);
  assert(world.wanted >= 4, 'the start is retried');
});

describe('the effect of a decision is lost', () => {
  test('if the server stopped before the effect was known', async () => {
    const world = new World();
    assert.deepEqual(world.abandoned, ['scaling: the server restarted before the effect was known']);
  });

  test('if the variant no longer scales', async () => {
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

describe('if the clock is set back', () => {
  for (const [what, backMs] of [
    ['by less than a second', 700],
    ['by half a minute', 30_000],
    ['by two hours', 7_200_000],
  ] as const) {
    test(`${what}, instances stay and decisions continue; only a large jump discards the learned state`, async () => {
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
      assert(world.made.length > made + 5, 'decisions are made each slot again');
      assert.deepEqual([world.wanted, world.warnings], [wanted, []]);
      for (const effect of world.effects.values()) assert(effect.windowS >= 0);
    });
  }

  test('into an earlier hour, spent budget stays spent', async () => {
    const world = new World(3_600_000);
    world.provided = { config: { ...config, usdPerHourMax: 0.02 } };
    await world.pass(5);
    world.provided = { ...world.provided, spentUsd: 0.03 };
    await world.pass(5);
    world.clock.setBack(60_000);
    await world.pass(20);
    assert.equal(world.made.at(-1)?.reason, 'budget-spent');
  });
});

test('a counter that is NaN leaves the slot without a count and removes no instance', async () => {
  const world = new World();
  world.ratePerSecond = 30;
  await world.pass(120);
  const { wanted } = world;
  world.provided = { traffic: { ...noTraffic, rowsArrived: Number.NaN, requests: Number.NaN } };
  await world.pass(30);
  world.provided = {};
  await world.pass(60);
  assert.deepEqual([world.wanted, world.warnings], [wanted, []]);
});

describe('if no instance meets the objective', () => {
  const slow = { ...type, isFeasible: false, infeasibleBecause: 'type local.1 cannot meet 5 ms: 2*s(1)+d = 21 ms' };

  test('starts enough instances to keep the queue bounded, and says what to do', async () => {
    const [world, other] = [new World(), new World()];
    for (const [each, provided] of [[world, slow] as const, [other, type] as const]) {
      each.provided = { type: provided, config: { ...config, instancesMax: 20 } };
      each.ratePerSecond = 30;
      await each.pass(60);
    }
    assert(world.wanted >= 4, `${world.wanted} of 10/s for 30/s`);
    assert.equal(world.wanted, other.wanted, 'as many as of a type that meets it');
    assert.equal(world.made.at(-1)?.reason, 'infeasible');
    assert.match(
      world.reported.at(-1) ?? '',
      /cannot meet 5 ms: 2\*s\(1\)\+d = 21 ms; there are no functions; planned as .*; relax the objective/,
    );
  });

  test('functions serve alone', async () => {
    const world = new World();
    world.provided = { type: slow, overflow, config: { ...config, instancesMin: 0 } };
    world.ratePerSecond = 30;
    await world.pass(30);
    assert.equal(world.wanted, 0);
    assert.match(world.reported.at(-1) ?? '', /functions serve alone/);
  });

  test('the minimum of instances stays alongside functions', async () => {
    const world = new World();
    world.provided = { type: slow, overflow };
    world.ratePerSecond = 30;
    await world.pass(30);
    assert.equal(world.wanted, 1);
    assert.match(world.reported.at(-1) ?? '', /^kept 1 × local\.1: .*; functions serve alongside the minimum/);
  });

  test('a few slow runs remove no instance, persistent slowness does', async () => {
    const world = new World();
    world.provided = { overflow, config: { ...config, instancesMin: 0 } };
    world.ratePerSecond = 30;
    await world.pass(120);
    const { wanted } = world;
    assert(wanted > 1);
    world.provided = { ...world.provided, type: slow };
    await world.pass(60);
    assert(world.wanted >= wanted, 'after one minute');
    world.provided = { ...world.provided, type };
    await world.pass(60);
    world.provided = { ...world.provided, type: slow };
    await world.pass(110);
    assert(world.wanted >= wanted, 'counting restarted');
    await world.pass(30);
    assert.equal(world.wanted, 0);
    world.provided = { ...world.provided, type };
    await world.pass(110);
    assert.equal(world.wanted, 0, 'the first good measurement does not reverse it');
    assert.match(world.reported.at(-1) ?? '', /meets the objective again, but for less than 2 minutes/);
    await world.pass(60);
    assert(world.wanted > 1);
  });

  test('a verdict from the first few service times can be reversed at once', async () => {
    const world = new World();
    world.provided = { type: slow, overflow };
    world.ratePerSecond = 30;
    await world.pass(15);
    assert.equal(world.wanted, 1);
    world.provided = { overflow };
    await world.pass(15);
    assert(world.wanted > 1, 'it was slow for less than a minute');
  });

  test('a changed objective is evaluated at once', async () => {
    const world = new World();
    world.provided = { overflow, config: { ...config, instancesMin: 0 } };
    world.ratePerSecond = 30;
    await world.pass(60);
    world.provided = { ...world.provided, type: slow, objective: { percentile: 95, latencyMs: 5 } };
    await world.pass(15);
    assert.equal(world.wanted, 0);
  });
});
