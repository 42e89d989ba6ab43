/** The explorer: any metric of anybody, in any statistic, over time. */
import { SegmentedControl, Select } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type ReactElement, useMemo } from 'react';
import type { MetricBody, Page, SeriesBody } from '../../../src/api/index.ts';
import { get } from '../api/client.ts';
import { Card } from '../kit/card.tsx';
import { count, fixed, ms, percent, usdSmall } from '../kit/format.ts';
import { Loaded } from '../kit/loaded.tsx';
import { useSearchValues } from '../kit/search-state.ts';
import { type ChartLine, TimeChart } from '../kit/time-chart.tsx';
import { type ChosenRange, TimeRange, useTimeRange } from '../kit/time-range.tsx';
import { columnsOf, type Place, placesOf } from './metric-places.ts';

const statistics = [
  { value: 'p50,p95,p99', label: 'Percentiles' },
  { value: 'Average', label: 'Average' },
  { value: 'Sum', label: 'Sum' },
  { value: 'SampleCount', label: 'Count' },
  { value: 'Maximum', label: 'Maximum' },
];
const colors = ['p50', 'p95', 'p99'] as const;

export function Metrics(): ReactElement {
  const known = useQuery({
    queryKey: ['metrics'],
    queryFn: ({ signal }) => get<Page<MetricBody>>('/metrics', {}, signal),
    refetchInterval: 30_000,
  });
  return (
    <Loaded query={known} what="The metrics could not be loaded.">
      {({ items }) =>
        items.length === 0 ? (
          <Card title="Metrics" padded>
            <p className="mut">Nothing was measured yet: metrics begin with the first requests to an endpoint.</p>
          </Card>
        ) : (
          <Explorer items={items} />
        )
      }
    </Loaded>
  );
}

function Explorer({ items }: { readonly items: readonly MetricBody[] }): ReactElement {
  const [values, change] = useSearchValues();
  const places = useMemo(() => placesOf(items), [items]);
  const place = places.find(({ key }) => key === values['place']) ?? places.find(({ namespace }) => namespace === 'Penstock') ?? places[0];
  const metric =
    place?.metrics.find(({ name }) => name === values['metric']) ??
    place?.metrics.find(({ name }) => name === 'Latency') ??
    place?.metrics[0];
  const statistic = statistics.find(({ value }) => value === values['statistic'])?.value ?? usualFor(metric);
  const range = useTimeRange();
  return (
    <>
      <div className="row wrap log-fields section">
        <Select
          label="Of whom"
          searchable
          allowDeselect={false}
          value={place?.key ?? null}
          onChange={(key) => change({ place: key ?? undefined, metric: undefined })}
          data={groupsOf(places)}
          className="grow"
        />
        <Select
          label="Metric"
          searchable
          allowDeselect={false}
          value={metric?.name ?? null}
          onChange={(name) => change({ metric: name ?? undefined, statistic: undefined })}
          data={[...new Set((place?.metrics ?? []).map(({ name }) => name))]}
          className="grow"
        />
        <SegmentedControl aria-label="Statistic" value={statistic} onChange={(value) => change({ statistic: value })} data={statistics} />
      </div>
      <div className="row wrap section">
        <TimeRange range={range} />
      </div>
      {place === undefined || metric === undefined ? null : <Series place={place} metric={metric} statistic={statistic} range={range} />}
    </>
  );
}

function usualFor(metric: MetricBody | undefined): string {
  if (metric?.unit === 'Milliseconds' || metric?.unit === 'Microseconds') return 'p50,p95,p99';
  return metric?.unit === 'Count' && !/^(Instances|Functions|QueueRows|BatchRows)/.test(metric.name) ? 'Sum' : 'Average';
}

function groupsOf(places: readonly Place[]) {
  const namespaces = [...new Set(places.map(({ namespace }) => namespace))];
  return namespaces.map((group) => ({
    group,
    items: places.filter(({ namespace }) => namespace === group).map(({ key, label }) => ({ value: key, label })),
  }));
}

interface SeriesProps {
  readonly place: Place;
  readonly metric: MetricBody;
  readonly statistic: string;
  readonly range: ChosenRange;
}

function Series({ place, metric, statistic, range }: SeriesProps): ReactElement {
  const { fromMs, toMs, spanS, periodS, zoom } = range;
  const query = useQuery({
    queryKey: ['series', place.key, metric.name, statistic, fromMs, toMs, spanS, periodS],
    queryFn: ({ signal }) => {
      const until = toMs ?? Date.now();
      const span = { from: new Date(fromMs ?? until - spanS * 1000).toISOString(), to: new Date(until).toISOString() };
      const wish = { namespace: place.namespace, dimensions: JSON.stringify(place.dimensions), name: metric.name, statistics: statistic };
      return get<SeriesBody>('/metrics/series', { ...wish, ...span, period_s: periodS }, signal);
    },
    refetchInterval: fromMs === null ? 10_000 : false,
    placeholderData: (before) => before,
  });
  return (
    <Loaded query={query} what="The series could not be loaded." heights={[280]}>
      {(series) => <Chart series={series} metric={metric} place={place} onZoom={zoom} />}
    </Loaded>
  );
}

function Chart({
  series,
  metric,
  place,
  onZoom,
}: {
  readonly series: SeriesBody;
  readonly metric: MetricBody;
  readonly place: Place;
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
      title={`${metric.name} of ${place.label}`}
      unit={isCounted ? 'values' : unitWord(metric)}
      at={at}
      lines={lines}
      height={280}
      format={(value) => (isCounted ? count(value) : format(value, metric))}
      onZoom={onZoom}
      footer={`Periods of ${series.period_s} s; those in which nothing was measured are gaps.`}
    />
  );
}

function isMoney({ name }: MetricBody): boolean {
  return /^(Cost|Spent|InstancesSpent|FunctionsSpent)$/.test(name);
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
