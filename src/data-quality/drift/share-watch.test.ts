import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { evaluatedDigits as evaluated, type NoisyRows, noisyDigits, rowsUntilAlarm } from '../../../test/selection/noisy-digits.ts';
import { agreementRuling, escalationRuling } from './share-rulings.ts';
import { expectedShareMax, ShareWatch } from './share-watch.ts';

const { plan } = evaluated;

test('plans that are chosen again begin a test of their own', () => {
  const watch = new ShareWatch();
  watch.expect('digits', [evaluated]);
  watch.counted('digits', plan, { rows: 500, ones: 200 });
  assert.equal(watch.view('digits')[0]?.firedAtRows, 500);
  watch.expect('digits', [{ ...evaluated, decidedAtMs: 1 }]);
  watch.counted('digits', plan, { rows: 600, ones: 209 });
  const [again] = watch.view('digits');
  assert.deepEqual([again?.rows, again?.ones, again?.firedAtRows], [100, 9, null]);
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
    assert(Math.abs(expectedShareMax(evaluated) - 0.1289) < 1e-3, String(expectedShareMax(evaluated)));
    assert.equal(expectedShareMax({ rows: 50, ones: 50 }), 1);
  });

  test('counts a plan as long as its baseline stays, and stays raised', () => {
    const watch = new ShareWatch();
    watch.expect('digits', [evaluated]);
    watch.observe('digits', plan, 200, 100);
    watch.observe('digits', 'digits-cnn/1', 1000, 0);
    watch.observe('other', plan, 1000, 1000);
    watch.expect('digits', [evaluated, { ...evaluated, plan: 'a/1>b/1@0.5', ones: 3 }]);
    watch.observe('digits', plan, 100_000, 0);
    const [first, second] = watch.view('digits');
    assert.deepEqual([first?.rows, first?.ones, first?.firedAtRows, second?.rows], [100_200, 100, 200, 0]);
    watch.expect('digits', [{ ...evaluated, rows: 900 }]);
    assert.deepEqual([watch.view('digits')[0]?.rows, watch.view('digits')[0]?.firedAtRows], [0, null]);
    watch.forget('digits');
    assert.deepEqual(watch.view('digits'), []);
  });

  test('counts what totals rose by, and nothing twice if they begin again', () => {
    const watch = new ShareWatch();
    watch.expect('digits', [evaluated]);
    for (const [rows, ones] of [
      [100, 10],
      [150, 12],
      [20, 1],
      [30, 2],
    ] as const)
      watch.counted('digits', plan, { rows, ones });
    watch.counted('digits', 'other', { rows: 1000, ones: 1000 });
    assert.deepEqual([watch.view('digits')[0]?.rows, watch.view('digits')[0]?.ones], [160, 13]);
  });

  test('says in words what has drifted', () => {
    const watch = new ShareWatch();
    assert.equal(escalationRuling(watch.view('digits')), null);
    watch.expect('digits', [evaluated]);
    assert.deepEqual(escalationRuling(watch.view('digits')), { isDrifted: null, reason: 'no rows under a cascade yet' });
    watch.observe('digits', plan, 100, 9);
    const { evidence, ...expected } = escalationRuling(watch.view('digits')) ?? {};
    assert.deepEqual(expected, { isDrifted: false, reason: '9.0 % of 100 rows went on to the second model, as expected' });
    assert(typeof evidence === 'number' && evidence > 0 && evidence < 1, `the evidence of drift is ${evidence}`);
    watch.observe('digits', plan, 900, 400);
    const ruling = escalationRuling(watch.view('digits'));
    assert.equal(ruling?.isDrifted, true);
    assert.match(
      ruling.reason,
      /^under digits-mlp\/1>digits-cnn\/1@0\.03, 40\.9 % of the rows went on .* \(409 of 1,000 rows\): at most 12\.9 % are expected/,
    );
  });
});

test('what was counted goes on after a restart', () => {
  const before = new ShareWatch();
  before.expect('digits', [evaluated]);
  before.counted('digits', plan, { rows: 300, ones: 30 });
  const after = new ShareWatch();
  after.restore(JSON.parse(JSON.stringify(before.stored())));
  after.expect('digits', [evaluated]);
  after.counted('digits', plan, { rows: 50, ones: 5 });
  assert.deepEqual([after.view('digits')[0]?.rows, after.view('digits')[0]?.ones], [350, 35]);
  after.expect('digits', [{ ...evaluated, decidedAtMs: 9 }]);
  assert.equal(after.view('digits')[0]?.rows, 0, 'another choice of plans begins a test of its own');
});

test('says which plan agrees with the best one less often than it should', () => {
  const watch = new ShareWatch();
  watch.expect('digits', [{ plan: 'digits-mlp/1', rows: 450, ones: 9, decidedAtMs: 0 }]);
  assert.deepEqual(agreementRuling(watch.view('digits')), {
    isDrifted: null,
    reason: 'no rows were compared with the most accurate plan yet',
  });
  watch.observe('digits', 'digits-mlp/1', 1000, 200);
  assert.match(
    agreementRuling(watch.view('digits'))?.reason ?? '',
    /^digits-mlp\/1 answers 20\.0 % of the rows that it keeps otherwise than the most accurate plan \(200 of 1,000 rows\): at most 4\.\d %/,
  );
});
