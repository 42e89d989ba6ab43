import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { ClusterNode, ClusterSlot } from './cluster-state.ts';
import { placeSlots } from './place-slots.ts';

const node = (name: string, changes: Partial<ClusterNode> = {}): ClusterNode => ({
  name,
  number: 1,
  incarnation: 1,
  isLive: true,
  isDraining: false,
  isRemoved: false,
  isPresent: true,
  expiresAtMs: 0,
  joinedAtMs: 0,
  version: '0',
  clockOffsetMs: 0,
  address: null,
  ...changes,
});

const slot = (number: number, owner: string | null, changes: Partial<ClusterSlot> = {}): ClusterSlot => ({
  slot: number,
  epoch: 1,
  owner: owner === null ? null : { name: owner, incarnation: 1 },
  wanted: null,
  sinceMs: 0,
  ...changes,
});

const slots = (owners: readonly (string | null)[]): ClusterSlot[] => owners.map((owner, i) => slot(i, owner));

/** The slots after all moves happened. */
function after(nodes: readonly ClusterNode[], before: readonly ClusterSlot[], movesMax = 4): ClusterSlot[] {
  const { assigned, requested } = placeSlots(nodes, before, movesMax);
  const to = new Map([...assigned, ...requested].map((move) => [move.slot, move.to]));
  return before.map((each) => {
    const name = to.get(each.slot);
    return name === undefined ? each : slot(each.slot, name, { epoch: each.epoch + 1 });
  });
}

function counts(of: readonly ClusterSlot[]): Record<string, number> {
  return Object.fromEntries(
    Object.entries(Object.groupBy(of, ({ owner }) => owner?.name ?? '')).map(([name, all]) => [name, all?.length ?? 0]),
  );
}

describe('the placement of slots', () => {
  test('gives all slots of a new cluster to its first node', () => {
    assert.deepEqual(counts(after([node('a')], slots([null, null, null]))), { a: 3 });
  });

  test('gives the slots of a dead node to the others at once, and moves no other slot meanwhile than the limit allows', () => {
    const nodes = [node('a'), node('b'), node('c', { isLive: false })];
    const before = slots(['a', 'a', 'b', 'b', 'c', 'c', 'c', 'c']);
    assert.deepEqual(counts(after(nodes, before)), { a: 4, b: 4 });
    assert.deepEqual(placeSlots(nodes, before, 4).requested, []);
  });

  test('takes no slot of an owner that joined after the nodes were read', () => {
    const joined = { owner: { name: 'b', incarnation: 2 } };
    assert.deepEqual(placeSlots([node('a'), node('b', { isLive: false })], [slot(0, 'b', joined)], 4), { assigned: [], requested: [] });
    assert.deepEqual(placeSlots([node('a')], [slot(0, 'b')], 4), { assigned: [], requested: [] });
  });

  test('takes slots of an earlier process of a live node', () => {
    const { assigned } = placeSlots([node('a'), node('b', { incarnation: 2 })], [slot(0, 'b')], 4);
    assert.deepEqual(assigned, [{ slot: 0, epoch: 1, to: 'a' }]);
  });

  test('moves a few slots at a time to a node that joined', () => {
    const before = slots(Array.from({ length: 8 }, () => 'a'));
    const { assigned, requested } = placeSlots([node('a'), node('b')], before, 2);
    assert.deepEqual(assigned, []);
    assert.deepEqual(
      requested.map(({ slot: each, to }) => [each, to]),
      [
        [0, 'b'],
        [1, 'b'],
      ],
    );
    const underWay = before.map((each) => ({ ...each, wanted: each.slot < 2 ? 'b' : null }));
    assert.deepEqual(placeSlots([node('a'), node('b')], underWay, 2).requested, []);
  });

  test('an owner keeps its slot if the node that was to have it died or drains', () => {
    const waiting = [slot(0, 'a', { wanted: 'b' })];
    for (const changes of [{ isLive: false }, { isDraining: true }]) {
      const { requested } = placeSlots([node('a'), node('b', changes)], waiting, 4);
      assert.deepEqual(requested, [{ slot: 0, epoch: 1, to: 'a' }]);
    }
  });

  test('leaves slots where they are if all nodes drain', () => {
    const draining = [node('a', { isDraining: true }), node('b', { isDraining: true })];
    assert.deepEqual(placeSlots(draining, slots(['a', 'a', 'a']), 4), { assigned: [], requested: [] });
  });

  const cluster = fc.record({
    states: fc.array(fc.constantFrom('live', 'draining', 'dead'), { minLength: 1, maxLength: 6 }),
    owners: fc.array(fc.integer({ min: -1, max: 5 }), { minLength: 1, maxLength: 64 }),
    movesMax: fc.integer({ min: 1, max: 8 }),
  });

  test('reaches a balance in which each slot has one owner, with as few moves as possible', () => {
    fc.assert(
      fc.property(cluster, ({ states, owners, movesMax }) => {
        const nodes = states.map((state, i) => node(`n${i}`, { isLive: state !== 'dead', isDraining: state === 'draining' }));
        let now = slots(owners.map((owner) => (owner < 0 || owner >= nodes.length ? null : `n${owner}`)));
        const staying = nodes.filter(({ isLive, isDraining }) => isLive && !isDraining);
        const live = nodes.filter(({ isLive }) => isLive).map(({ name }) => name);
        const excess = excessOf(now, nodes, staying);
        let moved = 0;
        for (let round = 0; ; round++) {
          assert(round < 200, 'it comes to rest');
          const { assigned, requested } = placeSlots(nodes, now, movesMax);
          const touched = [...assigned, ...requested].map((move) => move.slot);
          assert.equal(new Set(touched).size, touched.length, 'one move per slot');
          assert(requested.length <= movesMax);
          if (touched.length === 0) break;
          moved += requested.length;
          now = after(nodes, now, movesMax);
        }
        if (live.length === 0) return;
        const counted = counts(now);
        if (staying.length === 0) {
          assert.equal(moved, 0);
          assert(Object.keys(counted).every((name) => live.includes(name)));
          return;
        }
        const each = staying.map(({ name }) => counted[name] ?? 0);
        assert.equal(
          each.reduce((sum, count) => sum + count, 0),
          now.length,
        );
        assert(Math.max(...each) - Math.min(...each) <= 1);
        assert.equal(moved, excess);
      }),
    );
  });
});

/** The moves that a balance needs after the slots without an owner were given to the nodes with the fewest. */
function excessOf(before: readonly ClusterSlot[], nodes: readonly ClusterNode[], staying: readonly ClusterNode[]): number {
  if (staying.length === 0) return 0;
  const stays = new Set(staying.map(({ name }) => name));
  const isLive = (name: string): boolean => nodes.some((each) => each.isLive && each.name === name);
  const counted = new Map(staying.map(({ name }) => [name, 0]));
  let draining = 0;
  for (const { owner } of before) {
    if (owner === null || !isLive(owner.name)) continue;
    if (stays.has(owner.name)) counted.set(owner.name, (counted.get(owner.name) ?? 0) + 1);
    else draining++;
  }
  const sorted = [...counted.values()].sort((a, b) => b - a);
  // The fullest nodes may have one slot more than the others.
  const [share, rest] = [Math.floor(before.length / staying.length), before.length % staying.length];
  return draining + sorted.reduce((sum, count, i) => sum + Math.max(0, count - (i < rest ? share + 1 : share)), 0);
}
