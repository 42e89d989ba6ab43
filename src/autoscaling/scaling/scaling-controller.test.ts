import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openControlPlane } from '../../../test/control-plane.ts';
import { config, overflow, World } from '../../../test/scaled-world.ts';
import { parseFloor } from '../../deployment/index.ts';
import { createForecaster, type ForecasterSnapshot } from '../../forecasting/index.ts';
import { ScalingStates } from './scaling-states.ts';
import type { StoredScaler } from './variant-scaler.ts';

describe('the number of instances', () => {
  test('follows the load up and down, and each decision has a reason', async () => {
    const world = new World();
    world.ratePerSecond = 3;
    await world.pass(60);
    assert.equal(world.wanted, 1);
    world.ratePerSecond = 30;
    await world.pass(60);
    assert.equal(world.wanted, 5, '30 rows/s need four at 85 %, plus one in reserve');
    assert(world.reported.some((text) => text.startsWith('grew to')));
    world.ratePerSecond = 0;
    await world.pass(2400); // while little is known, the jump counts as something that happens to such a load
    assert.equal(world.wanted, 1);
    const last = world.made.findLast(({ changes }) => changes);
    assert.match(last?.explanation ?? '', /^shrank to 1 × local\.1: /);
    assert.deepEqual([last?.kind, last?.endpoint, last?.variant, last?.trigger], ['scaling', 'prod', 'AllTraffic', 'period']);
    const { actions = [] } = (last?.chosen ?? {}) as { actions?: readonly { op: string }[] };
    assert(actions.length > 0 && actions.every(({ op }) => op === 'drain'));
    assert.deepEqual(world.warnings, []);
  });

  test('is at least the scheduled floor, even if zero is allowed', async () => {
    const world = new World(Date.UTC(2026, 0, 5, 7, 50)); // a Monday
    const floors = [parseFloor('mon-fri 08:00-08:03 3')];
    world.provided = { config: { ...config, policy: 'hpa:70', instancesMin: 0, floors } };
    await world.pass(580);
    assert.equal(world.wanted, 0);
    await world.pass(40);
    assert.equal(world.wanted, 3);
    const grown = world.made.findLast(({ changes }) => changes);
    assert.equal(grown?.reason, 'schedule');
    assert.match(grown?.explanation ?? '', /^grew to 3 × local\.1: 0 requests\/s need 0 of 7\/s; the schedule requires this number/);
    await world.pass(150);
    assert.equal(world.wanted, 3);
    await world.pass(900);
    assert.equal(world.wanted, 0);
  });

  test('is decided once per slot, even if nothing changes', async () => {
    const world = new World();
    world.ratePerSecond = 2;
    await world.pass(63);
    assert.equal(world.made.length, 6);
    assert(world.made.every(({ changes }) => !changes));
    assert.match(world.reported.at(-1) ?? '', /^kept 1 × local\.1: /);
  });

  test('is unchanged during an update, while arrivals are still counted', async () => {
    const world = new World();
    world.ratePerSecond = 30;
    world.provided = { isSettled: false };
    await world.pass(35);
    assert.deepEqual([world.wanted, world.made.length], [1, 0]);
    world.provided = {};
    await world.pass(2);
    assert(world.wanted >= 4);
  });

  test('scales to zero without traffic, and the next request starts an instance', async () => {
    const world = new World();
    world.provided = { config: { ...config, policy: 'track:60', instancesMin: 0 } };
    world.ratePerSecond = 2;
    await world.pass(90);
    assert.equal(world.wanted, 2);
    world.ratePerSecond = 0;
    await world.pass(200);
    assert.equal(world.wanted, 2, 'the last request was at least five minutes ago');
    await world.pass(110);
    assert.equal(world.wanted, 0);
    const rested = world.made.findLast(({ changes }) => changes);
    assert.deepEqual([rested?.reason, rested?.explanation.includes('will wait for a cold start')], ['rest', true]);
    world.kill();
    await world.pass(20);
    assert.equal(world.wanted, 0, 'also after a restart');
    world.provided = { ...world.provided, queue: 1 };
    await world.pass(1);
    assert.equal(world.wanted, 1);
    assert.equal(world.made.at(-1)?.reason, 'wake');
    world.provided = { ...world.provided, queue: 0 };
    await world.pass(290);
    assert.equal(world.wanted, 1);
    await world.pass(30);
    assert.equal(world.wanted, 0);
  });

  test('is set manually under the hold policy, except for an instance that traffic starts', async () => {
    const world = new World();
    world.provided = { config: { ...config, policy: 'hold', instancesMin: 0 } };
    world.wanted = 3;
    await world.pass(400);
    assert.equal(world.wanted, 3);
    world.wanted = 0;
    world.instances = [];
    await world.pass(20);
    world.provided = { ...world.provided, queue: 1 };
    await world.pass(1);
    assert.equal(world.wanted, 1);
    world.provided = { ...world.provided, queue: 0 };
    await world.pass(330);
    assert.equal(world.wanted, 0);
    world.ratePerSecond = 4;
    await world.pass(1);
    assert.equal(world.wanted, 1, 'also for requests rejected at once');
    world.ratePerSecond = 0;
    world.wanted = 0;
    world.instances = [];
    await world.pass(60);
    assert.equal(world.wanted, 0, 'requests before scaling to zero start nothing');
  });

  test('under a fixed policy of zero is one during traffic, and zero again after five minutes without traffic', async () => {
    const world = new World();
    world.wanted = 0;
    world.instances = [];
    world.provided = { config: { ...config, policy: 'static:0', instancesMin: 0, instancesMax: 1 } };
    await world.pass(20);
    assert.equal(world.wanted, 0);
    world.ratePerSecond = 4;
    await world.pass(1);
    world.ratePerSecond = 0;
    await world.pass(60);
    assert.equal(world.wanted, 1);
    assert.equal(world.made.at(-1)?.reason, 'awake');
    assert.match(
      world.reported.at(-1) ?? '',
      /^kept 1 × local\.1: as configured; the last instance stays until there has been no traffic for a while/,
    );
    await world.pass(260);
    assert.equal(world.wanted, 0);
    assert.equal(world.made.findLast(({ changes }) => changes)?.reason, 'rest');
  });

  test('is not raised again while instances that a user has just removed still run', async () => {
    const world = new World();
    world.provided = { config: { ...config, policy: 'hold' } };
    world.wanted = 3;
    await world.pass(1);
    const [first] = world.instances;
    assert(first !== undefined);
    world.instances = ['a', 'b', 'c'].map((id) => ({ ...first, id, state: 'active' }));
    await world.pass(20);
    world.wanted = 1;
    await world.pass(20);
    assert.equal(world.wanted, 1);
    assert.match(world.reported.at(-1) ?? '', /^kept 1 × local\.1/);
  });

  test('changes only in allowed directions', async () => {
    const world = new World();
    const tracked = { ...config, policy: 'track:60,in=0,out=0' };
    world.provided = { config: { ...tracked, directions: 'in' } };
    world.ratePerSecond = 4;
    await world.pass(90);
    assert.equal(world.wanted, 1);
    world.provided = { config: { ...tracked, directions: 'out' } };
    await world.pass(30);
    assert.equal(world.wanted, 4);
    world.ratePerSecond = 1;
    await world.pass(120);
    assert.equal(world.wanted, 4);
    world.provided = { config: { ...tracked, directions: 'none' } };
    world.ratePerSecond = 10;
    await world.pass(60);
    assert.equal(world.wanted, 4);
    world.provided = { config: { ...tracked, directions: 'none', instancesMax: 2 } };
    await world.pass(60);
    assert.equal(world.wanted, 2, 'the limits still apply');
    world.provided = { config: tracked };
    world.ratePerSecond = 0.5;
    await world.pass(120);
    assert.equal(world.wanted, 1);
  });

  test('scales to zero while functions can serve the low traffic, and back', async () => {
    const world = new World();
    world.provided = { config: { ...config, instancesMin: 0 }, overflow: { usdPerRequest: 1e-6 } };
    await world.pass(60);
    assert.equal(world.wanted, 0);
    assert.match(world.reported.at(-1) ?? '', /no instance/);
    world.ratePerSecond = 40;
    await world.pass(60);
    assert(world.wanted >= 3);
  });

  test('respects the minimum, the maximum and the budget', async () => {
    const world = new World();
    world.ratePerSecond = 1000;
    world.provided = { config: { ...config, instancesMax: 3 } };
    await world.pass(30);
    assert.equal(world.wanted, 3);
    world.provided = { config: { ...config, instancesMax: 64, usdPerHourMax: 0.021 } };
    world.ratePerSecond = 30;
    await world.pass(120);
    assert.equal(world.wanted, 2);
    assert.match(world.reported.at(-1) ?? '', /the budget allows no more/);
    world.provided = { config: { ...config, usdPerHourMax: 0.021 }, spentUsd: 0.03 };
    await world.pass(30);
    assert.equal(world.wanted, 1);
    assert.match(world.reported.at(-1) ?? '', /the budget of \$0\.021 for this hour is exhausted: running executors keep serving/);
  });

  test('is decided again when the budget changes, and functions get the new limit', async () => {
    const world = new World();
    world.provided = { config: { ...config, usdPerHourMax: 0.021 }, spentUsd: 0.01, overflow };
    await world.pass(1);
    world.provided = { ...world.provided, spentUsd: 0.05 };
    await world.pass(30);
    assert.match(world.reported.at(-1) ?? '', /is exhausted/);
    world.provided = { ...world.provided, config };
    world.controller.configured();
    assert.equal(world.plans.get('prod/AllTraffic')?.sharedBudget, null);
    await new Promise(setImmediate);
    assert.doesNotMatch(world.reported.at(-1) ?? '', /budget/);
  });

  test('is decided at the interval of a reactive policy', async () => {
    const world = new World();
    world.provided = { config: { ...config, policy: 'hpa:100,window=15' } };
    world.ratePerSecond = 30;
    await world.pass(90);
    assert.equal(world.wanted, 3);
    world.ratePerSecond = 0;
    await world.pass(120);
    assert.equal(world.wanted, 1);
  });

  test('is decided on manual request', async () => {
    const world = new World();
    await world.pass(13);
    const before = world.made.length;
    assert.equal(world.controller.requestDecision('PROD'), true);
    assert.equal(world.controller.requestDecision('other'), false);
    await world.pass(1);
    assert.deepEqual(
      world.made.slice(before).map(({ trigger }) => trigger),
      ['manual'],
    );
  });
});

test('the effect of a decision is added two slots after its planned slot', async () => {
  const world = new World();
  world.ratePerSecond = 5;
  await world.pass(90);
  const [[id, effect] = []] = world.effects;
  assert.equal(id, 'd1');
  const all = [...world.effects.values()];
  assert.deepEqual(all.at(-1)?.arrivals.length, 4, 'a start takes 3 s, so the second slot is the planned one');
  assert.deepEqual([all.at(-1)?.arrivals.at(-1), all.at(-1)?.attainment, all.at(-1)?.windowS], [50, 1, 40]);
  assert.equal(typeof all.at(-1)?.regretUsd, 'number');
  assert(effect !== undefined);
});

describe('after a restart', () => {
  test('resumes with the learned state and records the downtime as a gap', async () => {
    const world = new World();
    world.ratePerSecond = 30;
    await world.pass(120);
    const { wanted } = world;
    assert(wanted >= 4);
    const size = [...world.stored.values()][0]?.length ?? 0;
    assert(size > 1000 && size < 200_000, `${size}`);
    await world.controller.close();
    const before = world.made.length;
    world.clock.advance(30_000);
    world.kill();
    await world.pass(2);
    const [first] = world.made.slice(before);
    assert.equal(first?.trigger, 'restore');
    assert.equal(world.wanted, wanted, 'it remembers the traffic');
    await world.pass(60);
    assert.deepEqual([world.wanted, world.warnings], [wanted, []]);
  });

  test('drops the counts of a forecaster with slots of another length, and retains the rest', async () => {
    const world = new World();
    world.ratePerSecond = 3;
    await world.pass(60);
    await world.controller.close();
    const forecaster = createForecaster('rls-ar', { horizons: [1, 3, 10] });
    for (let slot = 0; slot < 100; slot++) forecaster.observe(slot, 1000);
    const stored = JSON.parse(world.stored.get('prod/AllTraffic') as string) as StoredScaler;
    world.stored.set('prod/AllTraffic', JSON.stringify({ ...stored, slotMs: 60_000, forecaster: forecaster.snapshot() }));
    world.kill();
    await world.pass(25);
    const after = JSON.parse(world.stored.get('prod/AllTraffic') as string) as StoredScaler;
    assert.deepEqual([after.slotMs, (after.forecaster as ForecasterSnapshot).name], [10_000, 'rls-windows']);
    assert.deepEqual(after.leadsMs.slice(0, stored.leadsMs.length), stored.leadsMs);
    assert.deepEqual([world.wanted, world.warnings], [1, []]);
  });

  test('starts from scratch if the stored state is corrupt', async () => {
    const world = new World();
    await world.controller.close();
    world.stored.set('prod/AllTraffic', '{"format":1,"leadsMs":[],"slo":[],"slotMs":10000,"forecaster":{"name":"?"},"scaling":7}');
    world.kill();
    await world.pass(25);
    assert.equal(world.made[0]?.trigger, 'period');
    assert.deepEqual(world.warnings, []);
  });
});

test('stores state in the database and deletes it with the endpoint', async () => {
  const plane = await openControlPlane();
  try {
    const states = new ScalingStates(plane.db, plane.clock);
    const row = { config: '{}', generation: 1, desired: 'InService' as const, created_at: 1, updated_at: 1 };
    await states.write('Prod', 'V', { a: 1 });
    assert.equal(await states.read('prod', 'v'), null, 'the endpoint does not exist');
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
