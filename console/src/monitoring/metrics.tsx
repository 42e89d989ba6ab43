/** The metrics explorer: any metric of any source, in any statistic, over time. */
import { SegmentedControl, Select } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type ReactElement, useMemo } from 'react';
import type { MetricBody, PageBody, SeriesBody } from '../../../src/api/index.ts';
import { get } from '../api/client.ts';
import { Card } from '../kit/card.tsx';
import type { ChartLine } from '../kit/charts/chart-props.ts';
import { TimeChart } from '../kit/charts/time-chart.tsx';
import { count, fixed, ms, percent, usdSmall } from '../kit/format/format.ts';
import { LoadedContent } from '../kit/page/loaded.tsx';
import { useSearchValues } from '../kit/page/search-state.ts';
import { type ChosenRange, TimeRange, useTimeRange } from '../kit/page/time-range.tsx';
import { columnsOf, type MetricSource, metricSourcesOf } from './metric-sources.ts';

const statistics = [
  { value: 'p50,p95,p99', label: 'Percentiles' },
  { value: 'Average', label: 'Average' },
  { value: 'Sum', label: 'Sum' },
  { value: 'SampleCount', label: 'Count' },
  { value: 'Maximum', label: 'Maximum' },
];
const colors = ['p50', 'p95', 'p99'] as const;

export function MetricsTab(): ReactElement {
  const known = useQuery({
    queryKey: ['metrics'],
    queryFn: ({ signal }) => get<PageBody<MetricBody>>('/metrics', {}, signal),
    refetchInterval: 30_000,
  });
  return (
    <LoadedContent query={known} what="The metrics could not be loaded.">
      {({ items }) =>
        items.length === 0 ? (
          <Card title="Metrics" padded>
            <p className="mut">No metrics yet. They appear with the first requests to an endpoint.</p>
          </Card>
        ) : (
          <Explorer items={items} />
        )
      }
    </LoadedContent>
  );
}

function Explorer({ items }: { readonly items: readonly MetricBody[] }): ReactElement {
  const [values, change] = useSearchValues();
  const sources = useMemo(() => metricSourcesOf(items), [items]);
  const source =
    sources.find(({ key }) => key === values['place']) ?? sources.find(({ namespace }) => namespace === 'Penstock') ?? sources[0];
  const metric =
    source?.metrics.find(({ name }) => name === values['metric']) ??
    source?.metrics.find(({ name }) => name === 'Latency') ??
    source?.metrics[0];
  const statistic = statistics.find(({ value }) => value === values['statistic'])?.value ?? defaultStatistic(metric);
  const range = useTimeRange();
  return (
    <>
      <div className="row wrap log-fields section">
        <Select
          label="Source"
          searchable
          allowDeselect={false}
          value={source?.key ?? null}
          onChange={(key) => change({ place: key ?? undefined, metric: undefined })}
          data={groupsOf(sources)}
          className="grow"
        />
        <Select
          label="Metric"
          searchable
          allowDeselect={false}
          value={metric?.name ?? null}
          onChange={(name) => change({ metric: name ?? undefined, statistic: undefined })}
          data={[...new Set((source?.metrics ?? []).map(({ name }) => name))]}
          className="grow"
        />
        <SegmentedControl aria-label="Statistic" value={statistic} onChange={(value) => change({ statistic: value })} data={statistics} />
      </div>
      <div className="row wrap section">
        <TimeRange range={range} />
      </div>
      {source === undefined || metric === undefined ? null : <Series source={source} metric={metric} statistic={statistic} range={range} />}
    </>
  );
}

/** Percentiles for durations, sums for counters, averages for gauges. */
function defaultStatistic(metric: MetricBody | undefined): string {
  if (metric?.unit === 'Milliseconds' || metric?.unit === 'Microseconds') return 'p50,p95,p99';
  return metric?.unit === 'Count' && !/^(Instances|Functions|QueueRows|BatchRows)/.test(metric.name) ? 'Sum' : 'Average';
}

function groupsOf(sources: readonly MetricSource[]) {
  const namespaces = [...new Set(sources.map(({ namespace }) => namespace))];
  return namespaces.map((group) => ({
    group,
    items: sources.filter(({ namespace }) => namespace === group).map(({ key, label }) => ({ value: key, label })),
  }));
}

interface SeriesProps {
  readonly source: MetricSource;
  readonly metric: MetricBody;
  readonly statistic: string;
  readonly range: ChosenRange;
}

function Series({ source, metric, statistic, range }: SeriesProps): ReactElement {
  const { fromMs, toMs, spanS, periodS, zoom } = range;
  const query = useQuery({
    queryKey: ['series', source.key, metric.name, statistic, fromMs, toMs, spanS, periodS],
    queryFn: ({ signal }) => {
      const until = toMs ?? Date.now();
      const span = { from: new Date(fromMs ?? until - spanS * 1000).toISOString(), to: new Date(until).toISOString() };
      const parameters = {
        namespace: source.namespace,
        dimensions: JSON.stringify(source.dimensions),
        name: metric.name,
        statistics: statistic,
      };
      return get<SeriesBody>('/metrics/series', { ...parameters, ...span, period_s: periodS }, signal);
    },
    refetchInterval: fromMs === null ? 10_000 : false,
    placeholderData: (before) => before,
  });
  return (
    <LoadedContent query={query} what="The series could not be loaded." heights={[280]}>
      {(series) => <Chart series={series} metric={metric} source={source} onZoom={zoom} />}
    </LoadedContent>
  );
}

function Chart({
  series,
  metric,
  source,
  onZoom,
}: {
  readonly series: SeriesBody;
  readonly metric: MetricBody;
  readonly source: MetricSource;
  readonly onZoom: (fromMs: number, toMs: number) => void;
}): ReactElement {
  const { at, columns } = useMemo(() => columnsOf(series), [series]);
  const lines = series.statistics.map(
    (name, i): ChartLine => ({
      label: name,
      color: series.statistics.length === 1 ? 'accent' : (colors[i] ?? 'ink-3'),
      width: name === 'p95' || series.statistics.length === 1 ? 2 : 1.25,
      values: columns[i] ?? [],
    }),
  );
  const isCounted = series.statistics[0] === 'SampleCount';
  return (
    <TimeChart
      title={`${metric.name} of ${source.label}`}
      unit={isCounted ? 'values' : unitWord(metric)}
      at={at}
      lines={lines}
      height={280}
      format={(value) => (isCounted ? count(value) : format(value, metric))}
      onZoom={onZoom}
      footer={`Period: ${series.period_s} s. Gaps mean no data.`}
    />
  );
}

function isMoney({ name }: MetricBody): boolean {
  return /^(Cost|Spent|InstancesCost|FunctionsCost)$/.test(name);
}

function unitWord(metric: MetricBody): string {
  if (isMoney(metric)) return 'US dollars';
  return (
    ({ Milliseconds: 'ms', Microseconds: 'µs', Percent: '%', Bytes: 'bytes', None: '', Count: '' } as Readonly<Record<string, string>>)[
      metric.unit
    ] ?? metric.unit
  );
}

function format(value: number, metric: MetricBody): string {
  if (isMoney(metric)) return usdSmall(value);
  if (metric.unit === 'Milliseconds') return ms(value);
  if (/Share$|Missed$/.test(metric.name)) return `${percent(value)} %`;
  return Number.isInteger(value) || value >= 1000 ? count(value) : fixed(value, value < 1 ? 3 : 1);
}
