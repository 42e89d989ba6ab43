import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ageMsMax, type BacklogSeen, decideInstances } from './decide-instances.ts';

const seen: BacklogSeen = {
  backlog: 0,
  oldestMs: 0,
  objectiveMs: 60_000,
  workMs: 6000,
  concurrency: 2,
  wanted: 0,
  instancesMin: 0,
  instancesMax: 8,
  needed: [],
};

for (const { when, more, instances, reason } of [
  { when: 'nothing waits', more: {}, instances: 0, reason: 'nothing waits' },
  {
    when: 'the first one comes',
    more: { backlog: 1, workMs: null },
    instances: 1,
    reason: '1 wait, the oldest for 0.0 s: one instance does 8 in the 60 s that are left',
  },
  {
    when: 'one instance would not be through in time',
    more: { backlog: 50, wanted: 1 },
    instances: 3,
    reason: '50 wait, the oldest for 0.0 s: one instance does 20 in the 60 s that are left',
  },
  {
    when: 'the oldest has waited for half of its time',
    more: { backlog: 50, oldestMs: 30_000, wanted: 3 },
    instances: 5,
    reason: '50 wait, the oldest for 30 s: one instance does 10 in the 30 s that are left',
  },
  {
    when: 'it is too late, and there may be no more',
    more: { backlog: 50, oldestMs: 300_000, wanted: 8 },
    instances: 8,
    reason: '50 wait, the oldest for 300 s: one instance does 2 in the 6.0 s that are left, the maximum is 8',
  },
  {
    when: 'the burst is over, but only just',
    more: { wanted: 3, needed: [3, 1, 0] },
    instances: 3,
    reason: 'nothing waits, but something did a moment ago',
  },
  { when: 'the burst is long over', more: { wanted: 3, needed: [0, 0] }, instances: 0, reason: 'nothing waits' },
  { when: 'one must always be there', more: { instancesMin: 1 }, instances: 1, reason: 'nothing waits, the minimum is 1' },
] as const) {
  test(`${when}: wants ${instances} and says why`, () => {
    const decided = decideInstances({ ...seen, ...more });
    assert.deepEqual([decided.instances, decided.reason], [instances, reason]);
  });
}

test('keeps within its limits, never sleeps while something waits, and wants no fewer for more', () => {
  const natural = fc.nat({ max: 100_000 });
  const any = fc.record({
    backlog: natural,
    oldestMs: natural,
    objectiveMs: fc.integer({ min: 1, max: 3_600_000 }),
    workMs: fc.option(natural),
    concurrency: fc.integer({ min: 1, max: 256 }),
    wanted: fc.nat({ max: 64 }),
    instancesMin: fc.nat({ max: 4 }),
    instancesMax: fc.integer({ min: 4, max: 64 }),
    needed: fc.array(fc.nat({ max: 64 }), { maxLength: 5 }),
  });
  fc.assert(
    fc.property(any, fc.nat({ max: 1000 }), (each, more) => {
      const { instances } = decideInstances(each);
      assert(instances >= each.instancesMin && instances <= each.instancesMax);
      assert(each.backlog === 0 || instances >= 1);
      assert(decideInstances({ ...each, backlog: each.backlog + more }).instances >= instances);
      assert(decideInstances({ ...each, oldestMs: each.oldestMs + more }).instances >= instances);
    }),
  );
});

test('a promise to those who wait for their answers is no limit of those who do not', () => {
  assert.deepEqual([null, 50, 60_000, 120_000].map(ageMsMax), [60_000, 60_000, 60_000, 120_000]);
});
