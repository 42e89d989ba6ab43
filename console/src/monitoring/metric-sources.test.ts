import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SeriesBody } from '../../../src/api/index.ts';
import { columnsOf, metricSourcesOf } from './metric-sources.ts';

const metric = (namespace: string, name: string, dimensions: Record<string, string>) => ({ namespace, name, unit: 'Count', dimensions });

test('groups metrics by source, independent of the order of dimensions', () => {
  const sources = metricSourcesOf([
    metric('Penstock', 'Rows', { EndpointName: 'digits', VariantName: 'AllTraffic' }),
    metric('Penstock', 'Latency', { VariantName: 'AllTraffic', EndpointName: 'digits' }),
    metric('Penstock', 'Rows', { EndpointName: 'digits', VariantName: 'b' }),
    metric('Penstock', 'MetricValuesDropped', {}),
    metric('shop', 'Orders', {}),
  ]);
  assert.deepEqual(
    sources.map(({ label, metrics }) => [label, metrics.map(({ name }) => name)]),
    [
      ['digits', ['Latency', 'Rows']],
      ['digits, b', ['Rows']],
      ['platform', ['MetricValuesDropped']],
      ['shop', ['Orders']],
    ],
  );
});

test('expands a series to all periods of its range, with gaps', () => {
  const series: SeriesBody = {
    name: 'Rows',
    unit: 'Count',
    period_s: 10,
    from: '2026-11-26T12:00:03.000Z',
    to: '2026-11-26T12:00:31.000Z',
    statistics: ['Sum', 'p95'],
    points: [{ at: '2026-11-26T12:00:20.000Z', values: [7, 3] }],
  };
  const { at, columns } = columnsOf(series);
  assert.deepEqual(
    at.map((second) => second - (at[0] ?? 0)),
    [0, 10, 20, 30],
  );
  assert.deepEqual(columns, [
    [null, null, 7, null],
    [null, null, 3, null],
  ]);
});
