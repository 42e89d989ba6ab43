import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HistoryBody } from '../../../../src/api/index.ts';
import { joinHistory } from '../../api/history.ts';
import { shownInTime, sumsOf } from './history-sums.ts';

const names = [
  'rate',
  'errors',
  'p50_ms',
  'p95_ms',
  'p99_ms',
  'promised_ms',
  'in_time',
  'instance_rate',
  'function_rate',
  'instance_usd_per_hour',
  'function_usd_per_hour',
  'mean_batch',
  'queue_rows',
  'instances',
  'functions',
] as const;

function history(at: readonly number[], values: Partial<Record<(typeof names)[number], (number | null)[]>>): HistoryBody {
  const columns = Object.fromEntries(names.map((name) => [name, values[name] ?? at.map(() => null)])) as HistoryBody['columns'];
  const [from, to] = [new Date((at[0] ?? 0) * 1000).toISOString(), new Date((at.at(-1) ?? 0) * 1000).toISOString()];
  return { endpoint: 'digits', from, to, period_s: 10, at: [...at], columns, forecast: null, batches: null, always_on_usd_per_hour: null };
}

test('weights shares by requests and computes the cost per million', () => {
  const sums = sumsOf(
    history([0, 10, 20], {
      rate: [100, 300, null],
      in_time: [1, 0.9, null],
      function_rate: [0, 40, null],
      instance_usd_per_hour: [0.36, 0.36, 0.36],
      function_usd_per_hour: [null, 0.72, null],
    }),
  );
  assert.equal(sums.peakRate, 300);
  assert.equal(sums.peakAt, 10);
  assert.equal(sums.rate, 300);
  assert.equal(sums.inTime, (100 + 270) / 400);
  assert.equal(sums.functionShare, 0.1);
  // Three periods of 10 s cost $1.80 per hour in total, for 4,000 requests.
  assert.equal(sums.usdPerMillion, ((1.8 / 3600) * 10 * 1e6) / 4000);
});

test('returns null for anything that was not measured', () => {
  const sums = sumsOf(history([0, 10], {}));
  assert.deepEqual([sums.rate, sums.inTime, sums.usdPerMillion, sums.usdPerHour], [null, null, null, null]);
});

test('live data without traffic leaves the cost of always-on instances at the peak', () => {
  const before = { ...history([0, 10], { rate: [40, 2] }), always_on_usd_per_hour: 0.0425 };
  const more = { ...history([10, 20], { rate: [0, 0] }), always_on_usd_per_hour: 0 };
  assert.equal(joinHistory(before, more, 0).always_on_usd_per_hour, 0.0425);
});

test('limits live data to one hour and replaces the last period', () => {
  let all = history([0, 10], { rate: [1, 2] });
  for (let at = 20; at < 10_000; at += 10) all = joinHistory(all, history([at - 10, at], { rate: [at - 10, at] }), at - 3600);
  assert.equal(all.at.length, 361);
  assert.equal(all.columns.rate.length, all.at.length);
  assert.deepEqual(all.columns.rate.slice(-2), [9980, 9990]);
  assert(all.at.every((value, index) => index === 0 || value > (all.at[index - 1] ?? 0)));
});

test('takes the in-time share of the last hour from the server and computes that of other ranges', () => {
  const [fromServer, summed] = [{ in_time: 0.98 }, { inTime: 0.9 }];
  assert.equal(shownInTime(fromServer, summed, { isZoomed: false, spanS: 3600 }), 0.98);
  assert.equal(shownInTime(fromServer, summed, { isZoomed: true, spanS: 3600 }), 0.9);
  assert.equal(shownInTime(fromServer, summed, { isZoomed: false, spanS: 900 }), 0.9);
  assert.equal(shownInTime({ in_time: null }, summed, { isZoomed: false, spanS: 3600 }), null);
});
