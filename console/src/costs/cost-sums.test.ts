import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CostsBody } from '../../../src/api/index.ts';
import { costCsvHeader, costCsvRows, costSpan, monthAtThisPace, sumsByEndpoint, sumsByTime } from './cost-sums.ts';

type Item = CostsBody['items'][number];

const item = (at: string, endpoint: string, some: Partial<Item> = {}): Item => ({
  at,
  endpoint,
  variant: 'AllTraffic',
  instance_seconds: 3600,
  instance_usd: 0.05,
  provisioned_seconds: 0,
  provisioned_usd: 0,
  invocations: 0,
  cold_starts: 0,
  function_gb_seconds: 0,
  function_usd: 0.01,
  total_usd: 0.06,
  receipts_usd: 0,
  failed_runs_usd: 0,
  requests: 600,
  failed_requests: 1,
  cost_usd_per_million: null,
  ...some,
});

const items = [
  item('2026-11-01T00:00:00.000Z', 'a'),
  item('2026-11-03T00:00:00.000Z', 'a', { variant: 'blue', provisioned_usd: 0.02 }),
  item('2026-11-03T00:00:00.000Z', 'b', { total_usd: 1 }),
];

test('sums by endpoint, the most expensive first; warm functions count as functions', () => {
  const [b, a] = sumsByEndpoint(items);
  assert.deepEqual([b?.endpoint, a?.endpoint, a?.variants], ['b', 'a', ['AllTraffic', 'blue']]);
  assert.deepEqual([a?.instanceUsd.toFixed(3), a?.functionUsd.toFixed(3)], ['0.080', '0.040']);
  assert.deepEqual([Math.round(a?.usdPerMillion ?? 0), b?.usdPerMillion], [100, null], 'no price per million below 1,000 requests');
});

test('days without use are zero, not missing', () => {
  const days = sumsByTime(items, { fromMs: Date.UTC(2026, 10, 1), toMs: Date.UTC(2026, 10, 3, 5), stepMs: 86_400_000 });
  assert.deepEqual(
    days.map(({ totalUsd }) => totalUsd),
    [0.06, 0, 1.06],
  );
});

test('periods are whole UTC days and months, also across the turn of the year', () => {
  const nowMs = Date.UTC(2027, 0, 2, 10, 30);
  const spans = (['month', 'last', '7d', '24h'] as const).map((name) => costSpan(name, nowMs));
  assert.deepEqual(
    spans.map(({ fromMs, toMs }) => [new Date(fromMs).toISOString().slice(0, 13), new Date(toMs).toISOString().slice(0, 13)]),
    [
      ['2027-01-01T00', '2027-01-02T10'],
      ['2026-12-01T00', '2027-01-01T00'],
      ['2026-12-27T00', '2027-01-02T10'],
      ['2027-01-01T11', '2027-01-02T10'],
    ],
  );
});

test('the pace of the month is that of the last day, without the hour of the first use', () => {
  const nowMs = Date.UTC(2026, 10, 29, 6, 30);
  const hour = (text: string, usd: number): Item => item(`2026-11-29T0${text}:00:00.000Z`, 'a', { total_usd: usd });
  // 41.5 hours are left in November.
  assert.equal(monthAtThisPace(1, [hour('4', 0.001), hour('5', 0.04), hour('6', 0.02)], nowMs)?.toFixed(4), (1 + 41.5 * 0.04).toFixed(4));
  assert.equal(monthAtThisPace(1, [], nowMs), 1, 'nothing runs any more');
  assert.equal(monthAtThisPace(1, [hour('6', 0.02)], nowMs), null, 'too early');
  const whole = Array.from({ length: 24 }, (_, index) =>
    item(new Date(nowMs - (nowMs % 3_600_000) - index * 3_600_000).toISOString(), 'a', { total_usd: 0.01 }),
  );
  assert.equal(monthAtThisPace(0, whole, nowMs)?.toFixed(3), ((41.5 * 0.24) / 23.5).toFixed(3));
});

test('exports every line with the names of the API', () => {
  const [first] = costCsvRows(items);
  assert.equal(first?.length, costCsvHeader.length);
  assert.deepEqual(first?.slice(0, 4), ['2026-11-01T00:00:00.000Z', 'a', 'AllTraffic', 0.05]);
});
