import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { fillWithLate, LateShare, lateIn, lateRowsPerMs, lateShare, safeUnderOverload, sizeInTime } from './late-rule.ts';

interface Row {
  readonly rows: number;
  readonly bucket: string;
  readonly promisedAtMs: number;
}

const row = (promisedAtMs: number, rows = 1, bucket = ''): Row => ({ rows, bucket, promisedAtMs });
const doneAtMs = (rows: number): number => 10 + rows;
const end = { doneAtMs, marginMs: 2, safeAtMs: (rows: number) => doneAtMs(rows) - 2 };

describe('which requests of a batch are late', () => {
  test('none that are in time', () => {
    assert.deepEqual(lateIn([row(13), row(14), row(13)], 10, end), []);
    assert.deepEqual(lateIn([], 10, end), []);
  });

  test('all that waiting rows can replace, because the batch stays as large', () => {
    const batch = [row(5), row(6), row(20)];
    assert.deepEqual(lateIn(batch, 2, end), batch.slice(0, 2));
    assert.deepEqual(lateIn(batch, 1, end), batch.slice(0, 1));
  });

  test('only the first without others to replace it, because a smaller batch may suffice for the second', () => {
    const batch = [row(5), row(10.5), row(20)];
    assert.deepEqual(lateIn(batch, 0, end), batch.slice(0, 1));
    assert.deepEqual(lateIn(batch.slice(1), 0, end), []);
  });

  test('under overload those with least time left, and only if others can have their places', () => {
    const batch = [row(14), row(20), row(22), row(30)];
    const overloaded = { ...end, safeAtMs: safeUnderOverload(doneAtMs, 0, 30) }; // done at 14, at the latest at 30: safe until 22
    assert.deepEqual(lateIn(batch, 5, end), []);
    assert.deepEqual(lateIn(batch, 5, overloaded), batch.slice(0, 2));
    assert.deepEqual(lateIn(batch, 1, overloaded), batch.slice(0, 1));
    assert.deepEqual(lateIn(batch, 0, overloaded), []);
  });

  test('under overload, too, one that is done after its promise in any case keeps the margin', () => {
    const overloaded = { ...end, safeAtMs: safeUnderOverload(doneAtMs, 0, 8) };
    assert.deepEqual(lateIn([row(9), row(9)], 0, overloaded), [row(9)]);
    assert.deepEqual(lateIn([row(10), row(10)], 0, overloaded), []);
  });
});

const rowOf = fc.record({
  rows: fc.integer({ min: 1, max: 6 }),
  bucket: fc.constantFrom('a', 'b'),
  promisedAtMs: fc.integer({ min: 0, max: 60 }),
});

test('late requests that fill a batch leave each of its requests in time, and do not exceed its size', () => {
  fc.assert(
    fc.property(
      fc.array(rowOf, { minLength: 1, maxLength: 6 }),
      fc.array(rowOf, { maxLength: 20 }),
      fc.integer({ min: 1, max: 40 }),
      (all, late, max) => {
        const batch = all.filter(({ bucket }) => bucket === all[0]?.bucket);
        const added = fillWithLate(batch, late, max, doneAtMs);
        const rows = (of: readonly Row[]): number => of.reduce((sum, each) => sum + each.rows, 0);
        if (added.length === 0) return;
        const together = rows(batch) + rows(added);
        assert(together <= max);
        for (const { promisedAtMs } of batch) assert(doneAtMs(together) <= promisedAtMs);
        assert.deepEqual(
          added,
          late.filter((one) => added.includes(one)),
        );
        assert(added.every(({ bucket }) => bucket === batch[0]?.bucket));
      },
    ),
  );
});

test('the batch size under overload is the largest that requests in time fill', () => {
  const waiting = [40, 38, 36, 34, 32, 30, 20, 12].map((promisedAtMs) => row(promisedAtMs));
  assert.equal(
    sizeInTime(waiting, [2, 4, 6, 8], (rows) => 25 + rows),
    4,
  ); // the sixth row is due at 30, six take until 31
  assert.equal(
    sizeInTime(waiting, [2, 4], (rows) => 50 + rows),
    null,
  );
  assert.equal(sizeInTime([], [1], doneAtMs), null);
});

test('late requests get their share of the time, never more, and one batch of it beforehand at most', () => {
  const batches = fc.array(fc.record({ ms: fc.integer({ min: 1, max: 50 }), isHarmful: fc.boolean() }), { maxLength: 400 });
  fc.assert(
    fc.property(batches, fc.integer({ min: 1, max: 30 }), (others, lateMs) => {
      const share = new LateShare();
      let [spentMs, totalMs] = [0, 0];
      for (const { ms, isHarmful } of others) {
        share.earn(ms);
        totalMs += ms;
        while (share.isDue(lateMs, () => isHarmful)) {
          share.spend(lateMs);
          spentMs += lateMs;
          totalMs += lateMs;
        }
      }
      assert(spentMs <= lateShare * totalMs + 1e-6);
      assert(spentMs >= lateShare * totalMs - 2 * lateMs, `${spentMs} of ${totalMs} ms`);
    }),
  );
});

test('late requests count on what others leave of the capacity, and at least on their share', () => {
  assert.equal(lateRowsPerMs(10, 4), 6);
  assert.equal(lateRowsPerMs(10, 9.9), 0.5);
  assert.equal(lateRowsPerMs(10, 50), 0.5);
});
