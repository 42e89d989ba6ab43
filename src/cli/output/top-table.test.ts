import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointBody, StatisticsBody, StatusBody, VariantBody } from '../../api/index.ts';
import { bodyOfFields, defaultsOf, variantFields } from '../../fields/index.ts';
import { Style } from './style.ts';
import { type TopSample, topRows, topText } from './top-table.ts';

const counters = (requests: number, more: Partial<StatisticsBody> = {}): StatisticsBody => ({
  since: '2026-11-24T12:00:00.000Z',
  requests,
  failures: 0,
  refused: 0,
  overflowed: 0,
  rows: requests * 2,
  executions: requests / 4,
  total_ms: requests * 3,
  queue_ms: requests,
  compute_ms: requests,
  last_inference_at: null,
  ...more,
});

function sample(atMs: number, statistics: StatisticsBody | null): TopSample {
  const worker = {
    id: 'w',
    model: 'digits/1',
    state: 'ready',
    host: null,
    zone: null,
    pid: 1,
    rss_bytes: 2 ** 20,
    restarts: 0,
    reason: null,
  };
  const settings = bodyOfFields(variantFields, { ...defaultsOf(variantFields), instanceCount: 1 }, null);
  const variant = { ...settings, name: 'AllTraffic', model: 'digits/1', shadow: null, multi_model: null, ready: 1 };
  const instances = {
    wanted: 1,
    scaling: null,
    functions: null,
    setting: null,
    environments: null,
    overflow: null,
    decision: null,
    usage: { cold_starts: 0 } as VariantBody['usage'],
  };
  const endpoint = { name: 'digits', status: 'InService', objective: 'p95<=50ms', in_time: 0.98 } as EndpointBody;
  const status = {
    version: '1.0.0',
    uptime_s: 60,
    cores: 2,
    grpc: null,
    rss_bytes: 0,
    workers_rss_bytes: 2 ** 20,
    executors: { ready: 1, starting: 0, failed: 0 },
  };
  const variants = [
    { ...variant, ...instances, rows_waiting: 0, batch_size: 8, batch_size_late: 8, batch_size_max: 32, statistics, workers: [worker] },
  ];
  return { atMs, status: status as StatusBody, endpoints: [{ ...endpoint, variants }] };
}

test('computes rates and means from two samples', () => {
  const [row] = topRows(sample(0, counters(100)), sample(2000, counters(300, { failures: 4 })));
  assert.deepEqual(
    [row?.requests_per_second, row?.failures_per_second, row?.rows_per_second, row?.mean_ms, row?.queue_ms, row?.batch_rows],
    [100, 2, 200, 3, 1, 8],
  );
});

test('handles counters that were reset, and has no mean without responses', () => {
  const [again] = topRows(sample(0, counters(100)), sample(1000, counters(10)));
  assert.equal(again?.requests_per_second, 10);
  const [idle] = topRows(sample(0, counters(100)), sample(1000, counters(100)));
  assert.deepEqual([idle?.requests_per_second, idle?.mean_ms], [0, null]);
  const [unserved] = topRows(sample(0, null), sample(1000, null));
  assert.equal(unserved?.requests_per_second, 0);
});

test('prints a table', () => {
  const text = topText(sample(0, counters(0)), sample(1000, counters(100)), new Style({ write: () => true }, {}));
  assert.match(text, /^penstock 1\.0\.0 {2}up 60 s {2}1 worker {2}1 MiB {2}2 cores\n\nENDPOINT {2}STATUS/);
  assert.match(text, /\ndigits {4}InService {2}digits\/1 {4}1\/1 {4}100 {5}200/);
  assert.match(text, / {2}OBJECTIVE {2}IN TIME {2}MEMORY\n.* {2}p95<=50ms {5}98 % {2}/);
});
