import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Company, companyWaitMs } from './company-rule.ts';

const flat = (rows: number): number => 6 + rows / 100;
const steep = (rows: number): number => 6 + rows;

const busy: Company = {
  rows: 4,
  batchSizeMax: 32,
  inFlight: 8,
  rowsPerMs: 1,
  busyShare: 0.9,
  leftMs: 90,
  medianMs: flat,
  quantileMs: flat,
};

describe('an idle instance waits for company', () => {
  for (const { when, company, waits } of [
    { when: 'further rows cost nothing', company: busy, waits: true },
    { when: 'each row costs as much as before', company: { ...busy, medianMs: steep, quantileMs: steep }, waits: false },
    { when: 'the batch is full', company: { ...busy, rows: 32 }, waits: false },
    { when: 'there are fewer than four requests', company: { ...busy, rows: 1, inFlight: 3 }, waits: false },
    { when: 'it was idle for most of the time', company: { ...busy, busyShare: 0.5 }, waits: false },
    { when: 'no row is expected within the wait', company: { ...busy, rowsPerMs: 0.1 }, waits: false },
    { when: 'the most urgent request would be late', company: { ...busy, leftMs: 8 }, waits: false },
    { when: 'it is already late', company: { ...busy, leftMs: -1 }, waits: false },
    { when: 'the model takes less than two timer ticks', company: { ...busy, medianMs: () => 1, quantileMs: () => 1 }, waits: false },
  ]) {
    test(`${waits ? 'if' : 'not if'} ${when}`, () => {
      assert.equal(companyWaitMs(company) > 0, waits);
    });
  }

  test('for half a run, and never more than 5 ms', () => {
    assert.equal(companyWaitMs(busy), flat(4) / 2);
    const slow = (): number => 40;
    assert.equal(companyWaitMs({ ...busy, medianMs: slow, quantileMs: slow }), 5);
  });

  test('and the rows it expects are in time and cost at most a tenth more', () => {
    const curve = fc.tuple(fc.double({ min: 0.1, max: 50, noNaN: true }), fc.double({ min: 0, max: 2, noNaN: true }));
    const positive = (max: number): fc.Arbitrary<number> => fc.double({ min: 0, max, noNaN: true });
    const inputs = fc.record({
      rows: fc.integer({ min: 1, max: 40 }),
      batchSizeMax: fc.integer({ min: 1, max: 32 }),
      inFlight: fc.integer({ min: 1, max: 64 }),
      rowsPerMs: positive(10),
      busyShare: positive(1),
      leftMs: positive(200),
      curve,
      tail: fc.double({ min: 1, max: 2, noNaN: true }),
    });
    fc.assert(
      fc.property(inputs, ({ curve: [fixedMs, rowMs], tail, ...known }) => {
        const medianMs = (rows: number): number => fixedMs + rowMs * rows;
        const quantileMs = (rows: number): number => tail * medianMs(rows);
        const waitMs = companyWaitMs({ ...known, medianMs, quantileMs });
        if (waitMs === 0) return;
        const { rows, batchSizeMax, inFlight, rowsPerMs, busyShare, leftMs } = known;
        assert(inFlight >= 4 && busyShare > 0.5 && rows < batchSizeMax);
        assert(waitMs >= 1 && waitMs <= Math.min(5, medianMs(rows) / 2));
        const expected = Math.min(Math.floor(rows + rowsPerMs * waitMs), batchSizeMax);
        assert(expected > rows && medianMs(expected) <= 1.1 * medianMs(rows) + 1e-9);
        assert(waitMs + quantileMs(expected) <= leftMs);
      }),
    );
  });
});
