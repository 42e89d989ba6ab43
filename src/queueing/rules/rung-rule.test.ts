import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { vectors } from '../../../test/selection/index.ts';
import { predictCompletionMs } from './dispatch-rule.ts';
import { AccuracyCredit, chooseRung, type Rung, type RungMoment } from './rung-rule.ts';

const { rung: rungVectors, credit: creditVectors } = vectors;
const threeRungs = rungVectors.rungs.map(({ batch, fullMs }): Rung => ({ batchSizeMax: batch, fullBatchMs: fullMs }));
const overheadMs = 0.5;

function momentOf({ waiting, ...moment }: (typeof rungVectors.cases)[number]): RungMoment {
  return { ...moment, rowsWaiting: waiting, overheadMs };
}

describe('the rung of a batch', () => {
  test('agrees with the vectors', () => {
    for (const each of rungVectors.cases) assert.equal(chooseRung(threeRungs, momentOf(each)).rung, each.rung, JSON.stringify(each));
  });

  const calm = { residualMs: [0], rowsWaiting: 14, headLeftMs: 49, lastLeftMs: 49, marginMs: 5, overheadMs };

  test('names the request that a more accurate rung would have answered late, and how late', () => {
    assert.deepEqual(chooseRung(threeRungs, calm), { rung: 2, heldBack: null });
    const { rung, heldBack } = chooseRung(threeRungs, { ...calm, rowsWaiting: 15 });
    assert.deepEqual([rung, heldBack?.rung, heldBack?.request], [1, 2, 'last']);
    assert(Math.abs((heldBack?.lateMs ?? 0) - (2 * 24.2 + 0.5 - 44)) < 1e-9);
    const hurried = chooseRung(threeRungs, { ...calm, rowsWaiting: 5, headLeftMs: 10 });
    assert.deepEqual([hurried.rung, hurried.heldBack?.request], [1, 'first']);
  });

  test('beside functions leaves the next request time for the lowest rung, because it would be sent to them otherwise', () => {
    const [lowest, , top] = threeRungs as [Rung, Rung, Rung];
    const batchMs = (rung: number): number => (threeRungs[rung] as Rung).fullBatchMs;
    const leftMs = top.fullBatchMs + lowest.fullBatchMs + overheadMs;
    assert.equal(chooseRung(threeRungs, { ...calm, next: { leftMs, batchMs } }).rung, 2);
    const { rung, heldBack } = chooseRung(threeRungs, { ...calm, next: { leftMs: leftMs - 1, batchMs } });
    assert(rung < 2);
    assert.deepEqual([heldBack?.request, Math.round(heldBack?.lateMs ?? 0)], ['next', 1]);
    assert.equal(chooseRung(threeRungs, { ...calm, next: { leftMs: leftMs - 1, batchMs: () => 1 } }).rung, 2, 'a small batch is short');
    const idle = { ...calm, residualMs: [0, 0] };
    assert.equal(chooseRung(threeRungs, { ...idle, next: { leftMs: leftMs - 1, batchMs } }).rung, 2, 'another instance takes the next');
  });

  test('is one that is allowed, and the lowest if none is', () => {
    assert.equal(chooseRung(threeRungs, calm, (rung) => rung < 2).rung, 1);
    assert.equal(chooseRung(threeRungs, { ...calm, rowsWaiting: 600 }, (rung) => rung > 0).rung, 1);
    assert.equal(chooseRung(threeRungs, calm, () => false).rung, 0);
  });
});

const ladder = fc
  .array(fc.record({ batchSizeMax: fc.integer({ min: 1, max: 64 }), perRowMs: fc.double({ min: 0.01, max: 5, noNaN: true }) }), {
    minLength: 1,
    maxLength: 8,
  })
  .map((rungs) =>
    rungs
      .toSorted((a, b) => a.perRowMs - b.perRowMs)
      .map(({ batchSizeMax, perRowMs }): Rung => ({ batchSizeMax, fullBatchMs: batchSizeMax * perRowMs })),
  );
const milliseconds = (max: number) => fc.double({ min: 0, max, noNaN: true });
const moment = fc.record({
  residualMs: fc.array(milliseconds(60), { minLength: 1, maxLength: 16 }),
  rowsWaiting: fc.integer({ min: 1, max: 2000 }),
  headLeftMs: milliseconds(60),
  lastLeftMs: milliseconds(100),
  marginMs: milliseconds(10),
  overheadMs: fc.constant(overheadMs),
});

/** Whether every request is in time under a rung, written down independently. */
function isInTime(rungs: readonly Rung[], rung: number, lowest: number, at: RungMoment): boolean {
  const { batchSizeMax, fullBatchMs } = rungs[rung] as Rung;
  const isTooSlowForHead = fullBatchMs + overheadMs > at.headLeftMs && (rungs[lowest] as Rung).fullBatchMs + overheadMs <= at.headLeftMs;
  const servers = at.residualMs.map((residualMs) => ({ residualMs, batchSizeMax, fullBatchMs }));
  return !isTooSlowForHead && predictCompletionMs(servers, at.rowsWaiting - 1) + overheadMs <= at.lastLeftMs - at.marginMs;
}

test('is the most accurate one under which every request is in time: none above it would do, and it does, or it is the lowest', () => {
  fc.assert(
    fc.property(ladder, moment, fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }), (rungs, at, allowed) => {
      const { rung, heldBack } = chooseRung(rungs, at, (each) => allowed[each] === true);
      const possible = rungs.map((_, each) => each).filter((each) => allowed[each] === true);
      const lowest = possible[0] ?? 0;
      assert(possible.length === 0 ? rung === 0 : possible.includes(rung));
      if (rung !== lowest) assert(isInTime(rungs, rung, lowest, at));
      for (const above of possible.filter((each) => each > rung)) assert(!isInTime(rungs, above, lowest, at));
      assert.equal(heldBack === null, rung === (possible.at(-1) ?? 0));
      assert(heldBack === null || heldBack.lateMs > 0);
    }),
  );
});

test('never rises because more requests wait, or because less time is left', () => {
  fc.assert(
    fc.property(ladder, moment, fc.integer({ min: 1, max: 500 }), milliseconds(20), (rungs, at, more, lessMs) => {
      const { rung } = chooseRung(rungs, at);
      assert(chooseRung(rungs, { ...at, rowsWaiting: at.rowsWaiting + more }).rung <= rung);
      assert(chooseRung(rungs, { ...at, lastLeftMs: at.lastLeftMs - lessMs }).rung <= rung);
    }),
  );
});

describe('accuracy credit', () => {
  test('agrees with the vectors', () => {
    const credit = new AccuracyCredit(creditVectors.floor, creditVectors.most);
    for (const { accuracy, rows, allowed, after } of creditVectors.steps) {
      assert.equal(credit.allows(accuracy, rows), allowed);
      if (allowed) credit.count(accuracy, rows);
      assert(Math.abs(credit.rows - after) < 1e-9, `expected ${after}, got ${credit.rows}`);
    }
  });

  test('keeps the mean of the measured accuracies at the floor or above, whatever rungs are wanted', () => {
    const batch = fc.record({ accuracy: fc.double({ min: 0.5, max: 1, noNaN: true }), rows: fc.integer({ min: 1, max: 64 }) });
    fc.assert(
      fc.property(fc.array(batch, { minLength: 1, maxLength: 200 }), fc.double({ min: 0.01, max: 50, noNaN: true }), (batches, max) => {
        const credit = new AccuracyCredit(0.9, max);
        let [rows, right] = [0, 0];
        for (const each of batches) {
          if (!credit.allows(each.accuracy, each.rows)) continue;
          credit.count(each.accuracy, each.rows);
          rows += each.rows;
          right += each.accuracy * each.rows;
          assert(right >= 0.9 * rows - 1e-6);
          assert(credit.rows >= 0 && credit.rows <= max);
        }
      }),
    );
  });
});
