import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { penstockNamespace, variantMetricKey } from '../../metrics/index.ts';
import { changedRate, meanRate, rowsByMinute } from './selection-load.ts';

const minuteMs = 60_000;
const steady = (rows: number): number[] => Array.from({ length: 10 }, () => rows);

describe('plans are priced again if the load changed', () => {
  for (const { when, priced, rows, rate } of [
    { when: 'it is as priced', priced: 100, rows: steady(6000), rate: null },
    { when: 'it is 1.4 times as much', priced: 100, rows: steady(8400), rate: null },
    { when: 'it doubled for three minutes', priced: 100, rows: [...steady(6000).slice(3), 12_000, 12_600, 11_400], rate: 200 },
    { when: 'it doubled for two minutes', priced: 100, rows: [...steady(6000).slice(2), 12_000, 12_000], rate: null },
    { when: 'it fell to a half', priced: 100, rows: steady(3000), rate: 50 },
    { when: 'it fell by a quarter', priced: 100, rows: steady(4500), rate: null },
    { when: 'there is none: nothing has to be priced', priced: 100, rows: steady(0), rate: null },
    { when: 'a few requests more came than the few expected', priced: 0.05, rows: [0, 0, 0, 0, 0, 0, 0, 6, 5, 6], rate: null },
    { when: 'one minute is without traffic', priced: 100, rows: [...steady(20_000).slice(1), 0], rate: null },
  ]) {
    test(when, () => assert.equal(changedRate(priced, rows), rate));
  }

  test('never for the rate of the same minutes', () => {
    const minutes = fc.array(fc.nat(1_000_000), { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(minutes, (rows) => {
        const rate = meanRate(rows);
        assert(rate === null || changedRate(rate, rows) === null);
      }),
    );
  });
});

test('the load is the rows of the last ten full minutes; a minute without a point had none', async () => {
  const nowMs = 100 * minuteMs + 30_000;
  const read: unknown[] = [];
  const store = {
    columns: async (span: object, names: readonly string[]) => {
      read.push(span, names);
      return { Rows: [90, 99].map((minute) => ({ atMs: minute * minuteMs, sum: minute })) } as never;
    },
  };
  const rows = await rowsByMinute(store, 'digits', 'AllTraffic', nowMs);
  assert.deepEqual(rows, [90, 0, 0, 0, 0, 0, 0, 0, 0, 99]);
  const metricKey = variantMetricKey(penstockNamespace, 'digits', 'AllTraffic');
  assert.deepEqual(read, [{ metricKey, fromMs: 90 * minuteMs, toMs: 100 * minuteMs, periodMs: minuteMs }, ['Rows']]);
  assert.equal(meanRate(rows), 189 / 600);
  assert.equal(meanRate(steady(0)), null);
});
