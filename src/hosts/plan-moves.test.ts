import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { hostFixture as host, placedWorker } from '../../test/host-fixture.ts';
import type { HostFacts, PlacedWorker, PlacementRequest } from './host.ts';
import { HostPool } from './host-pool.ts';
import { type MoveLimits, type MovePlan, planMoves } from './plan-moves.ts';

const on = (id: string, name: string, changes: Partial<PlacementRequest> = {}): PlacedWorker => placedWorker(id, name, changes);

function planned(hosts: readonly HostFacts[], workers: readonly PlacedWorker[], limits: Partial<MoveLimits> = {}): MovePlan {
  const none: ReadonlySet<string> = new Set();
  return planMoves(new HostPool(hosts, workers), {
    busyVariants: none,
    movingVariants: none,
    idleWorkers: none,
    stopgaps: none,
    stopgapMovesMax: 10,
    spreadMovesMax: 10,
    ...limits,
  });
}

const textOf = ({ moves }: MovePlan): string[] => moves.map(({ worker, cause, to }) => `${worker.id} to ${to}: ${cause}`);

describe('workers of a host that drains', () => {
  const hosts = [host('h1', { state: 'draining' }), host('h2'), host('h3')];

  test('move one at a time per variant', () => {
    const workers = [on('a1', 'h1'), on('a2', 'h1'), on('b1', 'h1', { variant: 'other/b' })];
    assert.deepEqual(textOf(planned(hosts, workers)), ['a1 to h2: host-draining', 'b1 to h3: host-draining']);
  });

  test('stay while an instance of their variant is on its way or not ready', () => {
    const busyVariants = new Set(['digits/blue']);
    assert.deepEqual(planned(hosts, [on('a1', 'h1')], { busyVariants }), { moves: [], pending: [], ending: [] });
  });

  test('keep their place until the replacement has one: without room they wait, and the reason is given', () => {
    const { moves, pending } = planned([host('h1', { state: 'draining' }), host('h2', { state: 'cordoned' })], [on('a1', 'h1')]);
    assert.deepEqual(moves, []);
    assert.deepEqual(
      pending.map(({ worker, reason }) => [worker.id, reason]),
      [['a1', '1 of 1 placed: no ready host has 2 vCPU and 4 GiB free: h1 drains, h2 is cordoned']],
    );
  });

  test('of a host that stops move to a home of last resort, if no other host has room', () => {
    const stopping = host('h1', { state: 'draining', isOnNotice: true });
    assert.deepEqual(textOf(planned([stopping, host('home', { isLastResort: true })], [on('a1', 'h1')])), ['a1 to home: host-on-notice']);
  });

  test('are not moved if they are functions: these end, and start elsewhere with the next request', () => {
    const { moves, ending } = planned(hosts, [on('f1', 'h1', { kind: 'function' }), on('f2', 'h2', { kind: 'function' })]);
    assert.deepEqual(moves, []);
    assert.deepEqual(
      ending.map(({ id }) => id),
      ['f1'],
    );
  });

  test('also move off a host on notice', () => {
    assert.deepEqual(textOf(planned([host('h1', { state: 'draining', isOnNotice: true }), host('h2')], [on('a1', 'h1')])), [
      'a1 to h2: host-on-notice',
    ]);
  });
});

describe('workers of a lost host', () => {
  test('are all placed again at once, before those of hosts that drain, and within the capacity', () => {
    const hosts = [host('h1', { state: 'lost' }), host('h2', { state: 'draining' }), host('h3', { cpuMilli: 4000 })];
    const plan = planned(hosts, [on('a1', 'h2'), on('a2', 'h1'), on('a3', 'h1'), on('a4', 'h1')], {
      busyVariants: new Set(['digits/blue']),
    });
    assert.deepEqual(textOf(plan), ['a2 to h3: host-lost', 'a3 to h3: host-lost']);
    assert.deepEqual(
      plan.pending.map(({ worker }) => worker.id),
      ['a4'],
    );
  });

  test('are those of a host that is not known any more', () => {
    assert.deepEqual(textOf(planned([host('h2')], [on('a1', 'h1')])), ['a1 to h2: host-lost']);
  });
});

describe('a healthy worker', () => {
  const two = { instances: 2 };
  const idleWorkers = new Set(['a1', 'a2', 'b1']);

  test('stays on a cordoned host', () => {
    assert.deepEqual(textOf(planned([host('h1', { state: 'cordoned' }), host('h2')], [on('a1', 'h1')], { idleWorkers })), []);
  });

  test('stays when an empty host joins, as long as its variant is spread', () => {
    const workers = [on('a1', 'h1', two), on('a2', 'h2', two), on('b1', 'h1', { variant: 'other/b' })];
    assert.deepEqual(textOf(planned([host('h1'), host('h2'), host('h3')], workers, { idleWorkers })), []);
  });

  test('moves to a host that joined only if its variant exceeds the spread, and only while it is idle', () => {
    const workers = [on('a1', 'h1', two), on('a2', 'h1', two)];
    const hosts = [host('h1'), host('h2', { zone: 'b' })];
    assert.deepEqual(textOf(planned(hosts, workers)), []);
    assert.deepEqual(textOf(planned(hosts, workers, { idleWorkers })), ['a1 to h2: spread']);
    assert.deepEqual(textOf(planned(hosts, workers, { idleWorkers, busyVariants: new Set(['digits/blue']) })), []);
    assert.deepEqual(textOf(planned(hosts, workers, { idleWorkers, spreadMovesMax: 0 })), []);
  });
});

describe('an instance that the home runs for lack of hosts', () => {
  const small = { cpuMilli: 1000, memoryMiB: 0 };
  const of = (id: string, variant: string, where = 'home'): PlacedWorker => on(id, where, { ...small, variant });
  const stopgaps = new Set(['a1', 'a2', 'b1', 'c1']);
  const all = [of('a1', 'one/a'), of('a2', 'one/a'), of('b1', 'one/b'), of('c1', 'two/c')];
  const home = host('home', { zone: 'home', cpuMilli: 2000 });

  test('moves to a host that is linked, one at a time of each endpoint, and a few at once', () => {
    const hosts = [home, host('h1'), host('h2')];
    assert.deepEqual(textOf(planned(hosts, all, { stopgaps })), ['a1 to h1: stopgap', 'c1 to h2: stopgap']);
    assert.deepEqual(textOf(planned(hosts, all, { stopgaps, stopgapMovesMax: 1 })), ['a1 to h1: stopgap']);
    assert.deepEqual(textOf(planned(hosts, all, { stopgaps, stopgapMovesMax: 0 })), []);
    assert.deepEqual(textOf(planned(hosts, all, { stopgaps, movingVariants: new Set(['one/b']) })), ['c1 to h1: stopgap']);
    assert.deepEqual(textOf(planned(hosts, all, { stopgaps, busyVariants: new Set(['one/a']) })), [
      'b1 to h1: stopgap',
      'c1 to h2: stopgap',
    ]);
  });

  test('stays, and is not reported as waiting, while no host has room, or its variant would be spread worse', () => {
    const full = planned([home, host('h1', { cpuMilli: 500 })], all, { stopgaps });
    assert.deepEqual(full, { moves: [], pending: [], ending: [] });
    const workers = [of('a1', 'one/a'), of('a2', 'one/a', 'h1')];
    assert.deepEqual(textOf(planned([home, host('h1')], workers, { stopgaps: new Set(['a1']) })), []);
  });

  test('moves although its variant would be spread worse, if the home is full or a last resort', () => {
    const workers = [of('a1', 'one/a'), of('a2', 'one/a', 'h1')];
    const hosts = [{ ...home, isLastResort: true }, host('h1')];
    assert.deepEqual(textOf(planned(hosts, workers, { stopgaps: new Set(['a1']) })), ['a1 to h1: stopgap']);
    const full = [{ ...home, cpuMilli: 500 }, host('h1')];
    assert.deepEqual(textOf(planned(full, workers, { stopgaps: new Set(['a1']) })), ['a1 to h1: stopgap']);
  });
});

const anyCluster = fc.record({
  hosts: fc
    .array(
      fc.record({
        zone: fc.constantFrom('a', 'b', 'c'),
        state: fc.constantFrom('ready', 'ready', 'cordoned', 'draining', 'away', 'lost'),
        cpuMilli: fc.integer({ min: 2, max: 12 }).map((cpus) => cpus * 1000),
        isOnNotice: fc.boolean(),
        isLastResort: fc.constantFrom(false, false, true),
      }),
      { minLength: 1, maxLength: 6 },
    )
    .map((all) => all.map((each, i) => host(`h${i}`, each))),
  workers: fc.array(
    fc.record({
      on: fc.nat({ max: 5 }),
      variant: fc.constantFrom('e1/a', 'e2/a'),
      kind: fc.constantFrom('instance', 'instance', 'function'),
      cpuMilli: fc.constantFrom(500, 1000, 2000),
      instances: fc.constantFrom(null, 2, 4),
      isIdle: fc.boolean(),
    }),
    { maxLength: 12 },
  ),
});

describe('any plan', () => {
  test('moves only to ready hosts with room for the replacements beside all workers that stay, and one instance per variant', () => {
    fc.assert(
      fc.property(anyCluster, ({ hosts, workers }) => {
        const all = workers.map(({ on: index, ...each }, i) => on(`w${i}`, `h${index % hosts.length}`, { ...each, memoryMiB: 0 }));
        const idleWorkers = new Set(workers.flatMap(({ isIdle }, i) => (isIdle ? [`w${i}`] : [])));
        const { moves, pending, ending } = planned(hosts, all, { idleWorkers });
        const touched = [...moves, ...pending].map(({ worker }) => worker.id);
        assert.equal(new Set([...touched, ...ending.map(({ id }) => id)]).size, touched.length + ending.length);
        for (const facts of hosts) {
          const added = moves.filter(({ to }) => to === facts.name);
          if (added.length === 0) continue;
          assert.equal(facts.state, 'ready');
          const sum = [...all.filter(({ host: name }) => name === facts.name), ...added.map(({ worker }) => worker)];
          assert(sum.reduce((cpu, { cpuMilli }) => cpu + cpuMilli, 0) <= facts.cpuMilli);
        }
        const planOnes = moves.filter(({ cause }) => cause !== 'host-lost').map(({ worker }) => worker.variant);
        assert.equal(new Set(planOnes).size, planOnes.length);
        for (const { worker, cause, to } of moves) {
          assert.equal(worker.kind, 'instance');
          const state = hosts.find(({ name }) => name === worker.host)?.state;
          assert.equal(cause === 'host-lost', state === 'lost');
          if (cause === 'stopgap' || cause === 'spread') assert(!hosts.find(({ name }) => name === to)?.isLastResort);
          if (cause === 'spread') assert(idleWorkers.has(worker.id) && state !== 'draining' && state !== 'lost');
        }
      }),
    );
  });

  test('comes to rest, whatever was idle or a stopgap: after few rounds nothing moves again', () => {
    const bounds = fc.record({ stopgapMovesMax: fc.integer({ min: 1, max: 4 }), spreadMovesMax: fc.integer({ min: 1, max: 2 }) });
    fc.assert(
      fc.property(anyCluster, bounds, ({ hosts, workers }, limits) => {
        let now = workers.map(({ on: index, ...each }, i) => on(`w${i}`, `h${index % hosts.length}`, { ...each, memoryMiB: 0 }));
        const idleWorkers = new Set(now.map(({ id }) => id));
        // Those on the first host, as on a home that has started alone. With a home of last resort, all that are on it.
        const started = new Set(now.filter((worker) => worker.host === 'h0').map(({ id }) => id));
        const isStopgap = ({ id, host: name }: PlacedWorker): boolean =>
          name === 'h0' && (hosts[0]?.isLastResort === true || started.has(id));
        const spreads = new Map<string, number>();
        for (let round = 0; ; round++) {
          assert(round < 60, 'it comes to rest');
          const stopgaps = new Set(now.filter(isStopgap).map(({ id }) => id));
          const { moves, ending } = planned(hosts, now, { idleWorkers, stopgaps, ...limits });
          if (moves.length === 0 && ending.length === 0) break;
          for (const { worker, cause } of moves) {
            started.delete(worker.id);
            if (cause === 'spread') spreads.set(worker.id, (spreads.get(worker.id) ?? 0) + 1);
          }
          const to = new Map(moves.map((move) => [move.worker.id, move.to]));
          now = now.filter((worker) => !ending.includes(worker)).map((worker) => ({ ...worker, host: to.get(worker.id) ?? worker.host }));
        }
        for (const [id, count] of spreads) assert(count <= 3, `${id} moved ${count} times for the spread`);
      }),
      { numRuns: 1000 },
    );
  });
});
