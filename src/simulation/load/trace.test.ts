import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseTrace } from './trace.ts';

describe('a trace', () => {
  test('reads counts from the only column, or from the column with a known name', () => {
    assert.deepEqual(parseTrace('\ufeffrequests,else\r\n3,x\r\n 0.5 ,y\r\n1e2\r\n\r\n', 'a.csv'), {
      kind: 'counts',
      counts: [3, 0.5, 100],
    });
    assert.deepEqual(parseTrace('constructor\n3\n', 'a.csv'), { kind: 'counts', counts: [3] });
    assert.deepEqual(parseTrace('minute,"Requests"\n0,100\n1, 200\n2,4000\n', 'a.csv'), { kind: 'counts', counts: [100, 200, 4000] });
  });

  for (const [header, unitMs] of [
    ['t_s', 1000],
    ['t_ms', 1],
  ] as const) {
    test(`contains individual requests below ${header}`, () => {
      const trace = parseTrace(`${header},tokens\n0,7\n1.5,9\n1.5,2\n`, 'a.csv');
      assert(trace.kind === 'times');
      assert.deepEqual([...trace.timesMs], [0, 1.5 * unitMs, 1.5 * unitMs]);
    });
  }

  for (const [what, text, wanted] of [
    ['an empty file', '', /^a\.csv, line 1, column 1: expected a header line and .* the file is empty$/],
    ['a header alone', 'requests\n\n', /^a\.csv, line 2, column 1: expected one number per line below the header/],
    ['no header', '3\n4\n', /^a\.csv, line 1, column 1: expected a header such as 'requests' or 't_s', got the number 3$/],
    [
      'columns with unknown names',
      'minute,load\n0,7\n',
      /^a\.csv, line 1, column 1: the columns are 'minute', 'load', and none of them could be replayed/,
    ],
    ['two columns with known names', 't_s,count\n0,7\n', /and more than one of them, 't_s' and 'count', could be replayed\. Keep one/],
    ['text in the column', 'minute,count\n0,7\n1, x\n', /^a\.csv, line 3, column 4: expected a number .* got 'x'$/],
    ['a column missing', 'minute,count\n0\n', /^a\.csv, line 2, column 3: .* got nothing$/],
    ['words', 'requests\n3\n  many\n', /^a\.csv, line 3, column 3: expected a number from 0 to 1000000000, got 'many'$/],
    ['an empty line in between', 'requests\n3\n\n4\n', /^a\.csv, line 3, column 1: .* got nothing$/],
    ['a negative count', 'requests\n-1\n', /^a\.csv, line 2, column 1: .* got '-1'$/],
    ['a huge count', 'requests\n1e300\n', /^a\.csv, line 2, column 1: .* got '1e300'$/],
    ['infinity', 'requests\nInfinity\n', /got 'Infinity'$/],
    ['a negative time', 't_s\n-0.1\n', /^a\.csv, line 2, column 1: .* got '-0.1'$/],
    ['unsorted times', 't_ms\n1\n3\n2\n', /^a\.csv, line 4, column 1: this request is before .* Sort the file by t_ms$/],
  ] as const) {
    test(`with ${what} is rejected with the location`, () => {
      assert.throws(() => parseTrace(text, 'a.csv'), { name: 'PlatformError', code: 'invalid_request', message: wanted });
    });
  }

  test('is parsed or rejected, for any bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.constantFrom('', 'requests\n', 't_s\n', 't_ms\n1\n'), (text, before) => {
        try {
          const trace = parseTrace(before + text, 'a.csv');
          const numbers = trace.kind === 'counts' ? trace.counts : [...trace.timesMs];
          assert(numbers.every((number) => number >= 0 && Number.isFinite(number)));
        } catch (error) {
          assert.match((error as Error).message, /^a\.csv, line \d+, column \d+: /);
        }
      }),
    );
  });
});
