import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openControlPlane } from '../../test/control-plane.ts';
import { config, overflow, World } from '../../test/scaled-world.ts';
import { parseFloor } from '../deployment/index.ts';
import { ScalingStates } from './scaling-states.ts';

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

  test('is no less than its schedule asks for, also where there may be none', async () => {
    const world = new World(Date.UTC(2026, 0, 5, 7, 50)); // a Monday
    const floors = [parseFloor('mon-fri 08:00-08:03 3')];
    world.given = { config: { ...config, policy: 'hpa:70', instancesMin: 0, floors } };
    await world.pass(580);
    assert.equal(world.wanted, 0);
    await world.pass(40);
    assert.equal(world.wanted, 3);
    const grown = world.made.findLast(({ changes }) => changes);
    assert.equal(grown?.reason, 'schedule');
    assert.match(grown?.explanation ?? '', /^grew to 3 × local\.1: 0 requests\/s need 0 of 7\/s; the schedule asks for so many/);
    await world.pass(150);
    assert.equal(world.wanted, 3);
    await world.pass(900);
    assert.equal(world.wanted, 0);
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
    world.ratePerSecond = 4;
    await world.pass(1);
    assert.equal(world.wanted, 1, 'also for those who are refused at once');
    world.ratePerSecond = 0;
    world.wanted = 0;
    world.instances = [];
    await world.pass(60);
    assert.equal(world.wanted, 0, 'who asked before it was sent to rest wakes nobody');
  });

  test('of a fixed none is one while somebody asks, for that reason, and none again when nobody has for five minutes', async () => {
    const world = new World();
    world.wanted = 0;
    world.instances = [];
    world.given = { config: { ...config, policy: 'static:0', instancesMin: 0, instancesMax: 1 } };
    await world.pass(20);
    assert.equal(world.wanted, 0);
    world.ratePerSecond = 4;
    await world.pass(1);
    world.ratePerSecond = 0;
    await world.pass(60);
    assert.equal(world.wanted, 1);
    assert.equal(world.made.at(-1)?.reason, 'awake');
    assert.match(world.told.at(-1) ?? '', /^kept 1 × local\.1: as configured; the last stays until nobody has asked for a while/);
    await world.pass(260);
    assert.equal(world.wanted, 0);
    assert.equal(world.made.findLast(({ changes }) => changes)?.reason, 'rest');
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

  test('is decided anew as soon as the money is another, and functions are told', async () => {
    const world = new World();
    world.given = { config: { ...config, usdPerHourMax: 0.021 }, spentUsd: 0.01, overflow };
    await world.pass(1);
    world.given = { ...world.given, spentUsd: 0.05 };
    await world.pass(30);
    assert.match(world.told.at(-1) ?? '', /is spent/);
    world.given = { ...world.given, config };
    world.controller.configured();
    assert.equal(world.plans.get('prod/AllTraffic')?.allowance, null);
    await new Promise(setImmediate);
    assert.doesNotMatch(world.told.at(-1) ?? '', /budget/);
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
