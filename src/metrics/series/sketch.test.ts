import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Measure, percentileOf } from './measured.ts';
import { decodeRecord, encodeRecord } from './record.ts';
import { Sketch } from './sketch.ts';

/** Without negative zero. */
const finite = fc
  .double({ noNaN: true, noDefaultInfinity: true, min: -1e12, max: 1e12 })
  .filter((x) => x === 0 || Math.abs(x) > 1e-8)
  .map((x) => x + 0);
const percentiles = [0, 1, 25, 50, 90, 95, 99, 99.9, 100];

function exact(values: readonly number[], percentile: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil((percentile / 100) * sorted.length - 1e-9)) - 1] as number;
}

function measureOf(values: readonly number[]): Measure {
  const measure = new Measure();
  for (const value of values) measure.add(value);
  return measure;
}

describe('a sketch', () => {
  test('returns percentiles within one percent, merged or not', () => {
    fc.assert(
      fc.property(fc.array(finite, { minLength: 1, maxLength: 300 }), fc.nat(300), (values, cut) => {
        const merged = measureOf(values.slice(0, cut));
        merged.merge(measureOf(values.slice(cut)));
        for (const measure of [measureOf(values), merged]) {
          for (const percentile of percentiles) {
            const [got, wanted] = [percentileOf(measure, percentile) as number, exact(values, percentile)];
            assert(Math.abs(got - wanted) <= Math.abs(wanted) * 0.009 + 1e-9, `p${percentile}: ${got}, exactly ${wanted}`);
          }
        }
      }),
    );
  });

  test('has no percentile if empty', () => {
    assert.equal(percentileOf(new Measure(), 50), null);
  });

  test('stays bounded for any values, with accurate largest values', () => {
    const sketch = new Sketch();
    for (let i = 0; i < 20_000; i++) sketch.add(1.02 ** (i - 10_000));
    const { positive } = sketch.buckets();
    assert(positive.numbers.length <= 2048, `${positive.numbers.length} buckets`);
    assert.equal(sketch.count, 20_000);
  });

  test('counts values up to a bound', () => {
    const sketch = new Sketch();
    for (let ms = 1; ms <= 1000; ms++) sketch.add(ms);
    assert(Math.abs(sketch.countUpTo(250) - 250) <= 3, String(sketch.countUpTo(250)));
  });
});

describe('a row of the metrics database', () => {
  test('returns what was written', () => {
    const measured = fc.array(finite, { minLength: 1, maxLength: 60 }).map(measureOf);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(1e6), measured), { maxLength: 8 }), (entries) => {
        const record = new Map(entries);
        const read = decodeRecord(encodeRecord(record));
        assert.deepEqual([...read.keys()], [...record.keys()]);
        for (const [metric, { count, sum, min, max, sketch }] of record) {
          const got = read.get(metric) as Measure;
          assert.deepEqual([got.count, got.sum, got.min, got.max], [count, sum, min, max]);
          for (const percentile of percentiles) {
            const wanted = sketch.quantile(percentile / 100) as number;
            if (min !== max) assert.equal(got.sketch.quantile(percentile / 100), wanted);
            else assert(Math.abs((percentileOf(got, percentile) as number) - min) <= Math.abs(min) * 1e-12);
          }
        }
      }),
    );
  });

  test('returns the requested metrics and reads nothing after them', () => {
    const record = new Map([7, 2, 9].map((metric) => [metric, measureOf([metric, 2 * metric])]));
    const row = encodeRecord(record);
    const metricsOf = (requested: readonly number[], bytes: Uint8Array = row): number[] => [
      ...decodeRecord(bytes, new Set(requested)).keys(),
    ];
    assert.deepEqual([metricsOf([9, 7]), metricsOf([2]), metricsOf([2, 4]), metricsOf([])], [[7, 9], [2], [2], []]);
    const upToSecond = row.subarray(0, encodeRecord(new Map([...record].slice(0, 2))).length);
    assert.deepEqual(metricsOf([7, 2], upToSecond), [7, 2]);
    assert.throws(() => metricsOf([9], upToSecond), /cannot be read/);
  });

  test('rejects garbage and never loops', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeRecord(bytes);
        } catch (error) {
          assert.match((error as Error).message, /cannot be read/);
        }
      }),
    );
  });

  test('needs a few hundred bytes for a hundred latencies', () => {
    const measure = measureOf(Array.from({ length: 100 }, (_, i) => 3000 + 37 * i));
    assert(encodeRecord(new Map([[3, measure]])).length < 150);
  });
});

describe('a statistic set', () => {
  test('of several values retains minimum, maximum and mean', () => {
    const measure = new Measure();
    measure.addSet({ count: 10, sum: 100, min: 1, max: 50 });
    assert.deepEqual([measure.count, measure.sum, measure.min, measure.max], [10, 100, 1, 50]);
    assert.equal(percentileOf(measure, 100), 50);
    assert.equal(percentileOf(measure, 0), 1);
  });
});
