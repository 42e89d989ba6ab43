import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { judgeBetter, pairedClassTest, pairedValueTest } from './judge-better.ts';

const settings = { confidence: 0.95, marginMin: 0 };

/** `wins` rows on which only the new version is right, `losses` on which only the old one is, and others on which both are. */
function answers(wins: number, losses: number, rows: number): [Float64Array, Float64Array] {
  const newLosses = new Float64Array(rows);
  const oldLosses = new Float64Array(rows);
  oldLosses.fill(1, 0, wins);
  newLosses.fill(1, wins, wins + losses);
  return [newLosses, oldLosses];
}

describe('a trained version', () => {
  for (const { wins, losses, verdict, p, reason } of [
    {
      wins: 31,
      losses: 14,
      verdict: 'better',
      p: '0.0080',
      reason: /^better: right on 31 rows where the other is wrong, wrong on 14, gain 0\.0378, p 0\.00805$/,
    },
    { wins: 14, losses: 31, verdict: 'worse', p: '0.9967', reason: /^worse: .* gain -0\.0378, p of the reverse 0\.00805$/ },
    { wins: 8, losses: 5, verdict: 'unsure', p: '0.2905', reason: /^not proven at 95 %: right on 8 rows .* p 0\.291$/ },
    { wins: 0, losses: 0, verdict: 'unsure', p: '1.0000', reason: /^nothing to decide: both answer alike on 450 rows$/ },
  ]) {
    test(`that wins ${wins} rows and loses ${losses} is ${verdict}`, () => {
      const compared = pairedClassTest(...answers(wins, losses, 450));
      assert.equal(compared.pBetter.toFixed(4), p);
      const judged = judgeBetter(compared, settings);
      assert.equal(judged.verdict, verdict);
      assert.match(judged.reason, reason);
    });
  }

  test('whose gain is below the margin is not better', () => {
    const compared = pairedClassTest(...answers(31, 14, 450));
    assert.equal(judgeBetter(compared, { confidence: 0.95, marginMin: 0.037 }).verdict, 'better');
    const judged = judgeBetter(compared, { confidence: 0.95, marginMin: 0.04 });
    assert.deepEqual([judged.verdict, judged.reason.slice(0, 38)], ['unsure', 'better by less than the margin of 0.04']);
  });

  test('is judged the other way round if the versions are swapped, and never both ways', () => {
    const opposite = { better: 'worse', worse: 'better', unsure: 'unsure' } as const;
    fc.assert(
      fc.property(fc.nat(60), fc.nat(60), fc.constantFrom(0.5, 0.9, 0.95, 0.999), (wins, losses, confidence) => {
        const [newLosses, oldLosses] = answers(wins, losses, 200);
        const of = { confidence, marginMin: 0 };
        const { verdict } = judgeBetter(pairedClassTest(newLosses, oldLosses), of);
        assert.equal(judgeBetter(pairedClassTest(oldLosses, newLosses), of).verdict, opposite[verdict]);
        if (verdict === 'better') assert(wins > losses);
      }),
      { numRuns: 200 },
    );
  });

  test('of values is better if its errors are smaller, by the bootstrap over rows that both answered', () => {
    const rows = 200;
    const oldLosses = Float64Array.from({ length: rows }, (_, i) => 1 + (i % 7) / 10);
    const newLosses = oldLosses.map((loss, i) => loss - 0.2 + ((i * 37) % 11) / 100);
    newLosses[3] = Number.NaN;
    const rmse = pairedValueTest(newLosses, oldLosses, 'rmse');
    assert.deepEqual([rmse.kind, rmse.rows, rmse.wins], ['bootstrap', 199, null]);
    assert.equal(judgeBetter(rmse, settings).verdict, 'better');
    assert.equal(judgeBetter(pairedValueTest(oldLosses, newLosses, 'rmse'), settings).verdict, 'worse');
    assert.equal(judgeBetter(pairedValueTest(newLosses, oldLosses, 'mae'), settings).verdict, 'better');
    assert.equal(judgeBetter(pairedValueTest(oldLosses, oldLosses, 'mae'), settings).verdict, 'unsure');
    assert(Math.abs(rmse.gain - 0.07) < 0.02, String(rmse.gain));
  });

  test('of values is not judged by fewer than 30 rows', () => {
    const losses = (value: number): Float64Array => new Float64Array(29).fill(value);
    assert.deepEqual(judgeBetter(pairedValueTest(losses(0), losses(1), 'rmse'), settings), {
      verdict: 'unsure',
      reason: 'nothing to decide: 29 rows were answered by both, and 30 are needed',
    });
  });
});
