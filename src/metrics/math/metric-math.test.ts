import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseMath } from './metric-math.ts';
import { MathSeries } from './value.ts';

const minute = 60_000;
const of = (...values: readonly (number | null)[]): MathSeries =>
  new MathSeries(
    60,
    values.flatMap((value, i): [number, number][] => (value === null ? [] : [[i * minute, value]])),
  );
const series = new Map([
  ['m1', of(1, 2, 3, 4)],
  ['m2', of(10, 0, 30, 40)],
  ['errors', of(null, 2, null, 8)],
  ['none', of()],
]);
const run = (text: string): (number | null)[] => {
  const result = parseMath(text).evaluate({ series, periodS: 60, spanOf: () => ({ fromMs: 0, toMs: 4 * minute }) });
  return [0, 1, 2, 3].map((i) => result.get(i * minute) ?? null);
};

describe('metric math', () => {
  for (const [text, wanted] of [
    ['m1 + m2 * 2', [21, 2, 63, 84]],
    ['(m1 + m2) * 2', [22, 4, 66, 88]],
    ['-m1 - -1', [0, -1, -2, -3]],
    ['m1 / m2', [0.1, null, 0.1, 0.1]],
    ['100 * errors / m2', [null, null, null, 20]],
    ['m1 > 2', [0, 0, 1, 1]],
    ['IF(m1 >= 3, m2, 0)', [0, 0, 30, 40]],
    ['FILL(errors, 0)', [0, 2, 0, 8]],
    ['FILL(errors, REPEAT)', [null, 2, 2, 8]],
    ['FILL(errors, LINEAR)', [null, 2, 5, 8]],
    ['FILL(none, 7)', [7, 7, 7, 7]],
    ['FILL(none, m1)', [1, 2, 3, 4]],
    ['FILL(none, REPEAT)', [null, null, null, null]],
    ['SUM(FILL(METRICS("o"), 1))', [2, 3, 2, 9]],
    ['SUM([m1, m2])', [11, 2, 33, 44]],
    ['AVG([m1, m2, errors])', [5.5, 4 / 3, 16.5, 52 / 3]],
    ['MIN([m1,m2])', [1, 0, 3, 4]],
    ['MAX([m1 * 20, METRICS("m")])', [20, 40, 60, 80]],
    ['SUM([errors])', [null, 2, null, 8]],
    ['SUM(METRICS())', [11, 4, 33, 52]],
    ['MAX(METRICS("m"))', [10, 2, 30, 40]],
    ['AVG(METRICS("m1"))', [1, 2, 3, 4]],
    ['SUM(m1)', [10, 10, 10, 10]],
    ['m1 / PERIOD(m1)', [1 / 60, 2 / 60, 3 / 60, 4 / 60]],
    ['RATE(m1)', [null, 1 / 60, 1 / 60, 1 / 60]],
    ['1e1', [10, 10, 10, 10]],
  ] as const) {
    test(text, () => assert.deepEqual(run(text), wanted));
  }

  for (const text of [
    '',
    'm1 +',
    'm1 m2',
    'm9',
    'EVAL(m1)',
    'constructor(m1)',
    'IF(m1)',
    '(m1',
    'm1)',
    '$',
    'METRICS() + 1',
    '[m1, m2]',
    '[m1',
    'SUM([])',
    `${'('.repeat(500)}1`,
    'm1 '.repeat(2000),
  ]) {
    test(`rejects ${text.slice(0, 20)} with the reason`, () => assert.throws(() => run(text), /the expression is not valid: ./));
  }

  test('always ends with a series or an error', () => {
    const word = fc.constantFrom(
      'm1',
      'errors',
      '2',
      '+',
      '-',
      '*',
      '/',
      '(',
      ')',
      ',',
      'SUM(',
      'FILL(',
      'IF(',
      'METRICS(',
      '>',
      'RATE(',
      '"m"',
      '[',
      ']',
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 30 }), (words) => {
        try {
          run(words.join(' '));
        } catch (error) {
          assert.match((error as Error).message, /not valid/);
        }
      }),
    );
  });
});

describe('metric math over series of several periods', () => {
  const mixed = new Map([
    ['m1', of(1, null, 3, 4)],
    ['m2', new MathSeries(120, [[0, 10]])],
    ['m10', new MathSeries(10, [[10_000, 5]])],
  ]);
  /** Spans start at a whole minute, or a whole period if that is shorter. */
  const spanOf = (periodS: number) => ({ fromMs: periodS < 60 ? 10_000 : 0, toMs: 4 * minute });
  const evaluated = (text: string) => {
    const result = parseMath(text).evaluate({ series: mixed, periodS: 10, spanOf });
    return [result.periodS, Object.fromEntries([...result].map(([at, value]) => [at / 1000, value]))];
  };
  for (const [text, periodS, points] of [
    ['FILL(m2, 0)', 120, { 0: 10, 120: 0 }],
    ['FILL(m1, 0)', 60, { 0: 1, 60: 0, 120: 3, 180: 4 }],
    ['FILL(m2, REPEAT)', 120, { 0: 10, 120: 10 }],
    ['FILL(m2, m1)', 120, { 0: 10, 120: 3 }],
    ['m1 + FILL(m2, 0)', 120, { 0: 11, 120: 3 }],
    ['SUM(FILL([m1, m2], 0))', 60, { 0: 11, 60: 0, 120: 3, 180: 4 }],
    ['m2 / PERIOD(m2)', 120, { 0: 10 / 120 }],
    ['PERIOD(m1) * m2', 120, { 0: 600 }],
    ['FILL(m2 * 2, 0) / PERIOD(m2 * 2)', 120, { 0: 20 / 120, 120: 0 }],
    ['IF(m2 > 5, FILL(m1, 7))', 120, { 0: 1 }],
  ] as const) {
    test(text, () => assert.deepEqual(evaluated(text), [periodS, points]));
  }

  test('fills each series from the start of its own periods', () => {
    const [, points] = evaluated('FILL(m10, 1)') as [number, Record<string, number>];
    assert.deepEqual(Object.keys(points).slice(0, 3), ['10', '20', '30']);
  });
});
