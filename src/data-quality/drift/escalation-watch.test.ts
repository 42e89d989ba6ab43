import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { type NoisyRows, noisyDigits } from '../../../test/selection/noisy-digits.ts';
import { SeededRandom } from '../../random.ts';
import { EscalationWatch, escalationRuling, escalationShareMax } from './escalation-watch.ts';

const plan = 'digits-mlp/1>digits-cnn/1@0.03';
const evaluated = { plan, rows: 450, escalated: 42, decidedAtMs: 0 };

/** Rows until the alarm, at most `most`, when rows are drawn from these. */
function rowsUntilAlarm({ goesOn }: NoisyRows, seed: number, most: number): number {
  const random = new SeededRandom(seed);
  const watch = new EscalationWatch();
  watch.expect('digits', [evaluated]);
  for (let row = 1; row <= most; row++) {
    watch.observe('digits', plan, 1, goesOn[Math.floor(random.next() * goesOn.length)] as number);
    const firedAtRows = watch.view('digits')[0]?.firedAtRows;
    if (typeof firedAtRows === 'number') return firedAtRows;
  }
  return Number.POSITIVE_INFINITY;
}

test('plans that are chosen again begin a test of their own', () => {
  const watch = new EscalationWatch();
  watch.expect('digits', [evaluated]);
  watch.counted('digits', plan, { rows: 500, escalated: 200 });
  assert.equal(watch.view('digits')[0]?.firedAtRows, 500);
  watch.expect('digits', [{ ...evaluated, decidedAtMs: 1 }]);
  watch.counted('digits', plan, { rows: 600, escalated: 209 });
  const [again] = watch.view('digits');
  assert.deepEqual([again?.rows, again?.escalated, again?.firedAtRows], [100, 9, null]);
});

describe('drift of real digits with noise on their pixels, without labels', () => {
  let noisy: readonly NoisyRows[];
  before(async () => {
    noisy = await noisyDigits([0, 3], 5);
  });
  const share = (flags: Uint8Array): number => flags.reduce((sum, flag) => sum + flag, 0) / flags.length;

  test('noise that breaks the floor of 0.97 raises the alarm within 400 rows in half of the runs, within 500 in nine of ten', () => {
    const [clean, broken] = noisy as [NoisyRows, NoisyRows];
    assert(share(clean.isRight) > 0.97 && share(broken.isRight) < 0.97);
    const runs = Array.from({ length: 60 }, (_, seed) => rowsUntilAlarm(broken, seed, 5000)).sort((a, b) => a - b);
    const [median = 0, p90 = 0] = [runs[30], runs[54]];
    assert(median <= 400 && p90 <= 500, `median ${median}, p90 ${p90}`);
  });

  test('rows like those of the evaluation raise none in 20,000 rows', () => {
    for (let seed = 0; seed < 20; seed++) assert.equal(rowsUntilAlarm(noisy[0] as NoisyRows, seed, 20_000), Number.POSITIVE_INFINITY);
  });
});

describe('the watch over a cascade', () => {
  test('allows the upper end of the interval of the evaluation, and half a point more', () => {
    assert(Math.abs(escalationShareMax(evaluated) - 0.1289) < 1e-3, String(escalationShareMax(evaluated)));
    assert.equal(escalationShareMax({ rows: 50, escalated: 50 }), 1);
  });

  test('counts a plan as long as its baseline stays, and stays raised', () => {
    const watch = new EscalationWatch();
    watch.expect('digits', [evaluated]);
    watch.observe('digits', plan, 200, 100);
    watch.observe('digits', 'digits-cnn/1', 1000, 0);
    watch.observe('other', plan, 1000, 1000);
    watch.expect('digits', [evaluated, { ...evaluated, plan: 'a/1>b/1@0.5', escalated: 3 }]);
    watch.observe('digits', plan, 100_000, 0);
    const [first, second] = watch.view('digits');
    assert.deepEqual([first?.rows, first?.escalated, first?.firedAtRows, second?.rows], [100_200, 100, 200, 0]);
    watch.expect('digits', [{ ...evaluated, rows: 900 }]);
    assert.deepEqual([watch.view('digits')[0]?.rows, watch.view('digits')[0]?.firedAtRows], [0, null]);
    watch.forget('digits');
    assert.deepEqual(watch.view('digits'), []);
  });

  test('counts what totals rose by, and nothing twice if they begin again', () => {
    const watch = new EscalationWatch();
    watch.expect('digits', [evaluated]);
    for (const [rows, escalated] of [
      [100, 10],
      [150, 12],
      [20, 1],
      [30, 2],
    ] as const)
      watch.counted('digits', plan, { rows, escalated });
    watch.counted('digits', 'other', { rows: 1000, escalated: 1000 });
    assert.deepEqual([watch.view('digits')[0]?.rows, watch.view('digits')[0]?.escalated], [160, 13]);
  });

  test('says in words what has drifted', () => {
    const watch = new EscalationWatch();
    assert.equal(escalationRuling(watch.view('digits')), null);
    watch.expect('digits', [evaluated]);
    assert.deepEqual(escalationRuling(watch.view('digits')), { isDrifted: null, reason: 'no rows under a cascade yet' });
    watch.observe('digits', plan, 100, 9);
    assert.deepEqual(escalationRuling(watch.view('digits')), {
      isDrifted: false,
      reason: '9.0 % of 100 rows went on to the second model, as expected',
    });
    watch.observe('digits', plan, 900, 400);
    const ruling = escalationRuling(watch.view('digits'));
    assert.equal(ruling?.isDrifted, true);
    assert.match(
      ruling.reason,
      /^under digits-mlp\/1>digits-cnn\/1@0\.03, 40\.9 % of the rows went on .* \(409 of 1,000 rows\): at most 12\.9 % are expected/,
    );
  });
});
