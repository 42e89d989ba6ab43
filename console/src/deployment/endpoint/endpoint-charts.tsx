/** The charts of an endpoint: load and forecast, latency and objective, requests by executor, batch sizes, cost. */
import { type ReactElement, useMemo } from 'react';
import type { HistoryBody } from '../../../../src/api/index.ts';
import type { PlotMark } from '../../kit/charts/chart-plot.ts';
import { TimeChart } from '../../kit/charts/time-chart.tsx';
import { fixed, objective as formatObjective, ms, parseObjectiveText, rate, usd } from '../../kit/format/format.ts';
import type { ChosenRange } from '../../kit/page/time-range.tsx';
import { BatchChart } from './batch-chart.tsx';

export interface EndpointChartsProps {
  readonly history: HistoryBody;
  readonly objective: string | null;
  readonly range: ChosenRange;
  readonly marks: readonly PlotMark[];
  readonly onMark: (id: string) => void;
}

const perSecond = (value: number, isAxis: boolean): string => (isAxis ? axisNumber(value) : rate(value));
const axisNumber = (value: number): string =>
  value >= 10_000 ? `${fixed(value / 1000)} k` : fixed(value, value === 0 || value >= 10 ? 0 : value < 2 ? 2 : 1);
const millis = (value: number, isAxis: boolean): string => (isAxis ? fixed(value, value > 0 && value < 5 ? 1 : 0) : ms(value));
const money = (value: number, isAxis: boolean): string =>
  isAxis && value > 0 && value < 0.01 ? `$${value.toFixed(4)}` : isAxis ? `$${fixed(value, value < 1 ? 3 : 1)}` : usd(value);

/** Props that all charts share. */
function useShared({ history, range, marks, onMark }: EndpointChartsProps) {
  const { at } = history;
  const to = Math.floor(Date.parse(history.to) / 1000);
  const from = range.isZoomed ? Math.floor(Date.parse(history.from) / 1000) : to - range.spanS;
  const { zoom } = range;
  return useMemo(
    () => ({ at, range: [from, to] as const, marks, onMark, onZoom: zoom, syncKey: 'endpoint' }),
    [at, from, to, marks, onMark, zoom],
  );
}

export function EndpointCharts(props: EndpointChartsProps): ReactElement {
  const { history, objective } = props;
  const shared = useShared(props);
  const { columns } = history;
  const parsed = parseObjectiveText(objective);
  const latency = useMemo(() => latencyLines(columns, parsed?.percentile ?? null), [columns, parsed?.percentile]);
  const served = useMemo(
    () => [
      { label: 'instances', color: 'inst' as const, values: columns.instance_rate },
      { label: 'functions', color: 'func' as const, values: columns.function_rate },
    ],
    [columns],
  );
  const costs = useMemo(
    () => [
      { label: 'instances', color: 'inst' as const, values: columns.instance_usd_per_hour },
      { label: 'functions', color: 'func' as const, values: columns.function_usd_per_hour },
    ],
    [columns],
  );
  return (
    <div className="grid">
      <RateChart {...props} shared={shared} />
      <TimeChart
        {...shared}
        title="Latency"
        span={6}
        height={204}
        lines={latency}
        objective={parsed === null ? null : { value: parsed.latencyMs, label: `objective ${formatObjective(objective)}` }}
        topMax={parsed === null ? undefined : parsed.latencyMs * 4}
        unit="ms"
        format={millis}
      />
      <TimeChart {...shared} title="Requests by executor" span={4} isStacked lines={served} unit="/s" format={perSecond} />
      <BatchChart batches={history.batches} />
      <TimeChart {...shared} title="Cost" span={4} isStacked lines={costs} unit="$/h" format={money} />
    </div>
  );
}

/** The percentile of the objective has the thickest line. If it is not p50, p95 or p99, it replaces p95. */
function latencyLines({ p50_ms: p50, p95_ms: p95, p99_ms: p99, promised_ms: promised }: HistoryBody['columns'], percentile: number | null) {
  const isOther = percentile !== null && ![50, 95, 99].includes(percentile);
  const width = (of: number): number => (percentile === of || (percentile === null && of === 95) ? 2.25 : of === 50 ? 1.5 : 1.25);
  return [
    { label: 'p50', color: 'p50' as const, values: p50, width: width(50) },
    isOther
      ? { label: `p${percentile}`, color: 'p95' as const, values: promised, width: 2.25 }
      : { label: 'p95', color: 'p95' as const, values: p95, width: width(95) },
    { label: 'p99', color: 'p99' as const, values: p99, width: width(99) },
  ];
}

type RateProps = EndpointChartsProps & { readonly shared: ReturnType<typeof useShared> };

/** Shows the forecast to the right of now if the range is live and at most six hours long. */
function RateChart({ history, range, shared }: RateProps): ReactElement {
  const { at, columns, forecast, period_s: periodS } = history;
  const isShown = forecast !== null && forecast.at.length > 0 && !range.isZoomed && range.spanS <= 21_600;
  const future = isShown ? forecast : null;
  const now = shared.range[1];
  const joined = useMemo(() => {
    if (future === null) return { at, lines: [{ label: 'rate', color: 'rate' as const, values: columns.rate }] };
    const gap = at.map(() => null);
    const rest = future.at.map(() => null);
    return {
      at: [...at, ...future.at.map((second) => Math.max(second, (at.at(-1) ?? 0) + periodS / 2))],
      lines: [
        { label: 'rate', color: 'rate' as const, values: [...columns.rate, ...rest] },
        { label: 'forecast', color: 'fore' as const, isDashed: true, width: 2, values: [...gap, ...future.mean] },
      ],
      band: { high: [...gap, ...future.high], low: [...gap, ...future.low] },
    };
  }, [at, columns, future, periodS]);
  const end = future === null ? now : Math.max(now + 60, future.at.at(-1) ?? now);
  const edges = useMemo(() => [shared.range[0], end] as const, [shared.range, end]);
  return (
    <TimeChart
      {...shared}
      title={future === null ? 'Rate' : 'Rate and forecast'}
      span={6}
      height={204}
      at={joined.at}
      lines={joined.lines}
      band={joined.band}
      range={edges}
      now={future === null ? null : now}
      unit="/s"
      format={perSecond}
    />
  );
}
