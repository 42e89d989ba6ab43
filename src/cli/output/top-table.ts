/** Rates computed from two samples of the server. */
import type { EndpointBody, StatisticsBody, StatusBody, VariantBody } from '../../api/index.ts';
import { bytesText, durationText, formatMsText } from './format.ts';
import { formatInTime, formatStatus } from './format-objective.ts';
import { environmentsText } from './format-variant.ts';
import type { Style } from './style.ts';
import { table } from './table.ts';

/** The state of the server at one time. */
export interface TopSample {
  readonly atMs: number;
  readonly status: StatusBody;
  readonly endpoints: readonly EndpointBody[];
}

/** One variant. Rates are per second between the two samples. */
export interface TopRow {
  readonly endpoint: string;
  readonly variant: string;
  readonly status: string;
  readonly model: string;
  readonly ready: number;
  readonly instances: number;
  /** Execution environments; null without functions. */
  readonly environments: VariantBody['environments'];
  /** Since the server started. */
  readonly cold_starts: number;
  readonly requests_per_second: number;
  readonly failures_per_second: number;
  readonly rows_per_second: number;
  /** Null without responses between the samples. */
  readonly mean_ms: number | null;
  readonly queue_ms: number | null;
  readonly batch_rows: number | null;
  /** The share of requests between the samples that overflowed from instances to functions; null without both. */
  readonly overflow_share: number | null;
  readonly objective: string | null;
  /** The share of the endpoint's responses in the last hour within the objective; null without responses or objective. */
  readonly in_time: number | null;
  readonly rss_bytes: number;
}

/** One row per variant. A variant without an earlier sample counts from zero. */
export function topRows(before: TopSample, now: TopSample): TopRow[] {
  const seconds = Math.max(now.atMs - before.atMs, 1) / 1000;
  return now.endpoints.flatMap((view) =>
    view.variants.map((variant) => {
      const earlier = before.endpoints.find(({ name }) => name === view.name)?.variants.find(({ name }) => name === variant.name);
      const gained = gain(earlier?.statistics ?? null, variant.statistics);
      return {
        endpoint: view.name,
        variant: variant.name,
        status: view.status,
        model: variant.model,
        ready: variant.ready,
        instances: variant.instance_count,
        environments: variant.environments,
        cold_starts: variant.usage.cold_starts,
        requests_per_second: gained('requests') / seconds,
        failures_per_second: gained('failures') / seconds,
        rows_per_second: gained('rows') / seconds,
        mean_ms: ratio(gained('total_ms'), gained('requests')),
        queue_ms: ratio(gained('queue_ms'), gained('requests')),
        batch_rows: ratio(gained('rows'), gained('executions')),
        overflow_share: variant.overflow === null ? null : ratio(gained('overflowed'), gained('requests')),
        objective: view.objective,
        in_time: view.in_time,
        rss_bytes: variant.workers.reduce((sum, worker) => sum + (worker.rss_bytes ?? 0), 0),
      };
    }),
  );
}

type Counter = Exclude<keyof StatisticsBody, 'since' | 'last_inference_at'>;

/** The increase of a counter. Counters restart at zero when a variant is reloaded; then the current value is the increase. */
function gain(before: StatisticsBody | null, now: StatisticsBody | null): (counter: Counter) => number {
  return (counter) => {
    if (now === null) return 0;
    const start = before === null || before[counter] > now[counter] ? 0 : before[counter];
    return now[counter] - start;
  };
}

function ratio(sum: number, count: number): number | null {
  return count === 0 ? null : sum / count;
}

/** One frame of `penstock top`. */
export function topText(before: TopSample, now: TopSample, style: Style): string {
  const { status } = now;
  const { ready, starting, failed } = status.executors;
  const workers = `${ready} ${ready === 1 ? 'worker' : 'workers'}${starting > 0 ? `, ${starting} starting` : ''}${failed > 0 ? `, ${failed} failed` : ''}`;
  const memory = bytesText(status.rss_bytes + status.workers_rss_bytes);
  const head = `penstock ${status.version}  up ${durationText(status.uptime_s)}  ${workers}  ${memory}  ${status.cores} cores\n`;
  const rows = topRows(before, now);
  if (rows.length === 0) return `${head}\nno endpoints\n`;
  return `${head}\n${table(rows, [
    { title: 'ENDPOINT', cell: (row) => (row.variant === 'AllTraffic' ? row.endpoint : `${row.endpoint}/${row.variant}`) },
    { title: 'STATUS', cell: (row) => formatStatus(row, style) },
    { title: 'MODEL', cell: (row) => row.model },
    { title: 'READY', cell: readyText, align: 'right' },
    { title: 'REQ/S', cell: (row) => rateText(row.requests_per_second), align: 'right' },
    { title: 'ROWS/S', cell: (row) => rateText(row.rows_per_second), align: 'right' },
    {
      title: 'FAILED/S',
      cell: (row) => (row.failures_per_second === 0 ? '' : style.paint('red', rateText(row.failures_per_second))),
      align: 'right',
    },
    { title: 'BATCH', cell: (row) => (row.batch_rows === null ? null : row.batch_rows.toFixed(1)), align: 'right' },
    { title: 'QUEUE', cell: (row) => (row.queue_ms === null ? null : formatMsText(row.queue_ms)), align: 'right' },
    { title: 'MEAN', cell: (row) => (row.mean_ms === null ? null : formatMsText(row.mean_ms)), align: 'right' },
    {
      title: 'OVERFLOW',
      cell: (row) => (row.overflow_share === null ? null : `${Math.round(1000 * row.overflow_share) / 10} %`),
      align: 'right',
    },
    { title: 'COLD STARTS', cell: (row) => (row.cold_starts === 0 ? null : row.cold_starts), align: 'right' },
    { title: 'OBJECTIVE', cell: (row) => row.objective },
    { title: 'IN TIME', cell: (row) => formatInTime(row, style), align: 'right' },
    { title: 'MEMORY', cell: (row) => bytesText(row.rss_bytes), align: 'right' },
  ])}`;
}

function readyText({ environments, ready, instances }: TopRow): string {
  const counted = `${ready}/${instances}`;
  if (environments === null) return counted;
  return instances === 0 ? environmentsText(environments) : `${counted} + ${environmentsText(environments)}`;
}

function rateText(perSecond: number): string {
  return perSecond >= 100 || perSecond === 0 ? String(Math.round(perSecond)) : perSecond.toFixed(1);
}
