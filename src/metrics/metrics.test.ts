import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openMemoryDatabase } from '../../test/empty-database.ts';
import { VirtualClock } from '../clock.ts';
import { Metrics } from './metrics.ts';
import { MetricStore } from './series/metric-store.ts';
import { statisticOf } from './series/statistic.ts';
import { executorsMetricKey, penstockNamespace } from './series/variant-series.ts';

const answer = { totalMs: 12, queueMs: 4, computeMs: 7, encodeMs: 1, rows: 3, costUsd: 0.25 };
const make = (): Metrics => new Metrics({ processMetrics: false });
const textOf = async (metrics: Metrics): Promise<string> => (await metrics.prometheus()).body.toString();
const linesOf = async (metrics: Metrics): Promise<string[]> =>
  (await textOf(metrics)).split('\n').filter((line) => line.startsWith('penstock'));

test('counts an answered request in outcome, latency, stages and rows', async () => {
  const metrics = make();
  metrics.variant('digits', 'AllTraffic').answered(answer, 'instance', null);
  const lines = await linesOf(metrics);
  for (const line of [
    'penstock_requests_total{endpoint="digits",variant="AllTraffic",outcome="ok"} 1',
    'penstock_rows_total{endpoint="digits",variant="AllTraffic"} 3',
    'penstock_request_seconds_bucket{le="0.01",endpoint="digits",variant="AllTraffic"} 0',
    'penstock_request_seconds_bucket{le="0.02",endpoint="digits",variant="AllTraffic"} 1',
    'penstock_request_seconds_sum{endpoint="digits",variant="AllTraffic"} 0.012',
    'penstock_stage_seconds_sum{endpoint="digits",variant="AllTraffic",stage="queue"} 0.004',
    'penstock_stage_seconds_sum{endpoint="digits",variant="AllTraffic",stage="compute"} 0.007',
    'penstock_stage_seconds_sum{endpoint="digits",variant="AllTraffic",stage="encode"} 0.001',
  ]) {
    assert(lines.includes(line), `${line}\nin\n${lines.join('\n')}`);
  }
});

test('counts instances and functions separately in /metrics and in the store, until the endpoint is removed', async () => {
  const { db, close } = await openMemoryDatabase();
  const clock = new VirtualClock(Date.UTC(2026, 10, 26));
  const store = new MetricStore({ db, clock, onFailure: (error) => assert.fail(String(error)) });
  await store.open();
  const metrics = new Metrics({ processMetrics: false, store });
  const variant = metrics.variant('digits', 'AllTraffic');
  variant.answered(answer, 'instance', null);
  for (const computeMs of [20, 40]) variant.answered({ ...answer, computeMs }, 'function', null);
  const lines = await linesOf(metrics);
  for (const [kind, count] of [
    ['instance', 1],
    ['function', 2],
  ]) {
    const line = `penstock_responses_total{endpoint="digits",variant="AllTraffic",executor_kind="${kind}"} ${count}`;
    assert(lines.includes(line), `${line}\nin\n${lines.join('\n')}`);
  }
  clock.advance(2000);
  const metricKey = executorsMetricKey(penstockNamespace, 'digits', 'AllTraffic', 'function');
  const [point] = await store.series({
    metricKey,
    name: 'ComputeTime',
    fromMs: clock.wallMs() - 60_000,
    toMs: clock.wallMs(),
    periodMs: 60_000,
  });
  assert(point !== undefined);
  assert.deepEqual([statisticOf(point, 'SampleCount'), statisticOf(point, 'Average')], [2, 30]);
  metrics.remove('digits');
  assert.doesNotMatch(await textOf(metrics), /penstock_responses_total\{/);
  // The series budget is released, but the stored history remains.
  const others = Array.from({ length: 20_000 }, (_, i) => ({ namespace: penstockNamespace, dimensions: { EndpointName: `e${i}` } }));
  assert.equal(store.isFullFor(others.map((other) => ({ metricKey: other, metric: { name: 'Latency', unit: 'Milliseconds' } }))), 0);
  assert.notDeepEqual(store.list({ dimensions: { EndpointName: 'digits' } }), []);
  await store.close();
  await close();
});

test('counts every answer in spite of deferred counting, whenever metrics are read', async () => {
  const { db, close } = await openMemoryDatabase();
  const clock = new VirtualClock(Date.UTC(2026, 10, 26));
  const store = new MetricStore({ db, clock, onFailure: (error) => assert.fail(String(error)) });
  await store.open();
  const metrics = new Metrics({ processMetrics: false, store });
  const variant = metrics.variant('digits', 'AllTraffic');
  const metricKey = { namespace: penstockNamespace, dimensions: { EndpointName: 'digits', VariantName: 'AllTraffic' } };
  const spanMs = { fromMs: clock.wallMs() - 60_000, toMs: clock.wallMs() + 60_000, periodMs: 60_000 };
  let sent = 0;
  for (const more of [1, 255, 256, 257, 1000]) {
    for (let i = 0; i < more; i++) variant.answered({ ...answer, totalMs: 1 + i }, 'instance', i % 2 === 0);
    sent += more;
    if (sent % 2 === 0) clock.advance(1000);
    const latencies = await store.series({ metricKey, name: 'Latency', ...spanMs });
    assert.equal(
      latencies.reduce((count, point) => count + (statisticOf(point, 'SampleCount') ?? 0), 0),
      sent,
    );
    const line = `penstock_requests_total{endpoint="digits",variant="AllTraffic",outcome="ok"} ${sent}`;
    assert((await linesOf(metrics)).includes(line), line);
    assert((await linesOf(metrics)).includes(`penstock_request_seconds_count{endpoint="digits",variant="AllTraffic"} ${sent}`));
  }
  await store.close();
  await close();
});

test('exports the batch wait of functions as a stage, until the endpoint is removed', async () => {
  const metrics = make();
  metrics.variant('digits', 'AllTraffic').answered({ ...answer, batchWaitMs: 25 }, 'function', null);
  const line = 'penstock_stage_seconds_sum{endpoint="digits",variant="AllTraffic",stage="batch_wait"} 0.025';
  assert((await linesOf(metrics)).includes(line));
  metrics.remove('digits');
  assert.doesNotMatch(await textOf(metrics), /batch_wait/);
});

test('sums gauge samples with equal labels', async () => {
  const metrics = make();
  metrics.gauge('penstock_executors', 'x', ['endpoint'], () => [2, 3].map((value) => ({ labels: { endpoint: 'e' }, value })));
  for (let i = 0; i < 2; i++) assert((await linesOf(metrics)).includes('penstock_executors{endpoint="e"} 5'));
});

test('counts the latency of a failed request but no stages, and neither for a cancelled one', async () => {
  const metrics = make();
  const variant = metrics.variant('digits', 'AllTraffic');
  variant.refused('overloaded', 1);
  variant.refused('cancelled', 1);
  const lines = await linesOf(metrics);
  for (const line of [
    'penstock_requests_total{endpoint="digits",variant="AllTraffic",outcome="overloaded"} 1',
    'penstock_requests_total{endpoint="digits",variant="AllTraffic",outcome="cancelled"} 1',
    'penstock_request_seconds_count{endpoint="digits",variant="AllTraffic"} 1',
    'penstock_rows_total{endpoint="digits",variant="AllTraffic"} 0',
  ]) {
    assert(lines.includes(line), `${line}\nin\n${lines.join('\n')}`);
  }
  assert(!lines.some((line) => line.startsWith('penstock_stage_seconds_count') && !line.endsWith(' 0')));
});

test('sums dispatches, misses and cost, and returns the same counter for the same variant', async () => {
  const metrics = make();
  metrics.variant('e', 'v').dispatch('idle', 5);
  metrics.variant('e', 'v').dispatch('idle', 7);
  metrics.variant('e', 'v').answered(answer, 'instance', true);
  metrics.variant('e', 'v').answered({ ...answer, costUsd: 0.5 }, 'instance', false);
  const lines = await linesOf(metrics);
  for (const line of [
    'penstock_dispatch_total{endpoint="e",variant="v",reason="idle"} 2',
    'penstock_batch_rows_sum{endpoint="e",variant="v"} 12',
    'penstock_objective_missed_total{endpoint="e",variant="v"} 1',
    'penstock_cost_usd_total{endpoint="e",variant="v"} 0.75',
  ]) {
    assert(lines.includes(line), `${line}\nin\n${lines.join('\n')}`);
  }
});

describe('removing an endpoint', () => {
  test('removes all its series and no others', async () => {
    const metrics = make();
    for (const endpoint of ['gone', 'stays']) {
      const variant = metrics.variant(endpoint, 'v');
      variant.answered(answer, 'instance', true);
      variant.dispatch('idle', 1);
    }
    metrics.remove('gone');
    metrics.remove('never-there');
    const lines = await linesOf(metrics);
    assert.deepEqual(
      lines.filter((line) => line.includes('"gone"')),
      [],
    );
    assert(lines.filter((line) => line.includes('"stays"')).length > 20);
  });

  test('is not undone by a late request; a new endpoint of that name starts at zero', async () => {
    const metrics = make();
    const late = metrics.variant('e', 'v');
    late.answered(answer, 'instance', true);
    metrics.remove('e');
    late.answered(answer, 'instance', true);
    late.dispatch('idle', 1);
    assert.deepEqual(
      (await linesOf(metrics)).filter((line) => line.includes('"e"')),
      [],
    );
    metrics.variant('e', 'v').answered(answer, 'instance', true);
    assert((await linesOf(metrics)).includes('penstock_requests_total{endpoint="e",variant="v",outcome="ok"} 1'));
  });
});

test('reads callback gauges and counters at each scrape', async () => {
  const metrics = make();
  const rows = new Map([['a', 3]]);
  const samples = () => Array.from(rows, ([endpoint, value]) => ({ labels: { endpoint }, value }));
  metrics.gauge('penstock_queue_rows', 'Queued rows', ['endpoint'], samples);
  metrics.counter('penstock_worker_restarts_total', 'Restarts', ['endpoint'], samples);
  const requested = async () => (await linesOf(metrics)).filter((line) => /queue_rows|restarts/.test(line));
  assert.deepEqual(await requested(), ['penstock_queue_rows{endpoint="a"} 3', 'penstock_worker_restarts_total{endpoint="a"} 3']);
  rows.delete('a');
  rows.set('b', 4);
  assert.deepEqual(await requested(), ['penstock_queue_rows{endpoint="b"} 4', 'penstock_worker_restarts_total{endpoint="b"} 4']);
});

test('exports process metrics', async () => {
  assert.match(await textOf(new Metrics()), /process_resident_memory_bytes/);
});
