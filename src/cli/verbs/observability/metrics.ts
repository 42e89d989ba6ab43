/** `penstock metrics`: an endpoint's metrics by period. */
import { type Command, Option } from 'commander';
import type { SeriesBody } from '../../../api/index.ts';
import { parseDurationMs } from '../../../objective.ts';
import type { CliContext } from '../../cli-context.ts';
import { measuredNames, resolveVariant } from '../../client/measured-names.ts';
import { parsedSince } from '../../options/parsed-values.ts';
import { timeText } from '../../output/format.ts';
import { table } from '../../output/table.ts';
import { type CommonOptions, parsedBy, verb, wholeNumber } from '../../verb.ts';

const minuteMs = 60_000;
const linesMost = 500;

interface MetricsOptions extends CommonOptions {
  readonly variant?: string;
  readonly worker?: number;
  readonly metric: string;
  readonly namespace?: string;
  readonly statistics: string;
  /** Milliseconds. */
  readonly since: number;
  readonly period?: number;
}

export function addMetrics(program: Command, context: CliContext): void {
  verb(program, context, 'metrics <endpoint>', 'show the metrics of an endpoint, by period')
    .with((command) =>
      command
        .option('--variant <name>', 'the variant, if the endpoint has several')
        .option('--worker <number>', 'the worker, counted from 0, for WorkerMemory and WorkerProcessor', wholeNumber(0, 9999))
        .option('--metric <name>', 'a metric such as Latency, QueueTime, BatchRows, ObjectiveMissed or Cost', 'Latency')
        .option('--namespace <name>', 'Penstock, or AWS/SageMaker for SageMaker metrics (default: Penstock)')
        .option('--statistics <list>', 'SampleCount, Sum, Average, Minimum, Maximum or percentiles', 'SampleCount,p50,p95,p99')
        .addOption(new Option('--since <duration>', 'how far back').argParser(parsedSince).default(600_000, '10m'))
        .addOption(
          new Option('--period <duration>', 'period of one line (default: 1m, or longer to limit the number of lines)').argParser(
            parsedBy(parseDurationMs),
          ),
        ),
    )
    .runs(async (session, options: MetricsOptions, endpoint: string) => {
      const { metric: name, namespace, statistics, since, period } = options;
      const client = await session.client();
      const variant = await resolveVariant(client, endpoint, options.variant);
      const from = new Date(context.clock.wallMs() - since).toISOString();
      const requested = {
        name,
        namespace,
        statistics: statistics.replaceAll(' ', ''),
        from,
        period_s: Math.round((period ?? periodFor(since)) / 1000),
      };
      const seriesOf = (key: Readonly<Record<string, string>>) =>
        client.get<SeriesBody>('/metrics/series', { query: { ...key, ...requested } });
      const worker = options.worker === undefined ? undefined : String(options.worker);
      const ofWorker = JSON.stringify({ EndpointName: endpoint, VariantName: variant, Worker: worker });
      let series = await seriesOf(worker === undefined ? { endpoint, variant } : { dimensions: ofWorker });
      // Some metrics, such as Backlog, belong to the endpoint and not to a variant.
      if (series.unit === null && options.variant === undefined && worker === undefined) {
        const whole = await seriesOf({ dimensions: JSON.stringify({ EndpointName: endpoint }) });
        if (whole.unit !== null) series = whole;
      }
      if (series.unit === null) await measuredNames(client, { endpoint, variant, worker, name, namespace });
      session.print(series, seriesText(series, endpoint));
      return 0;
    });
}

/** The shortest period in whole minutes that needs at most `linesMost` lines. */
function periodFor(sinceMs: number): number {
  return Math.max(1, Math.ceil(sinceMs / linesMost / minuteMs)) * minuteMs;
}

/** Symbols of CloudWatch units. */
const units: Readonly<Record<string, string>> = {
  Milliseconds: 'ms',
  Microseconds: 'µs',
  Seconds: 's',
  Percent: '%',
  Bytes: 'bytes',
  Count: '',
  None: '',
};
/** Metrics in US dollars: CloudWatch has no unit for money. */
const inDollars: readonly string[] = ['Cost', 'Spent'];

/** `P95 (ms)`; counts have no unit. */
function titleOf(statistic: string, { name, unit }: SeriesBody): string {
  const short = inDollars.includes(name) ? '$' : (units[unit ?? 'None'] ?? unit);
  return statistic === 'SampleCount' || short === '' ? statistic.toUpperCase() : `${statistic.toUpperCase()} (${short})`;
}

function seriesText(series: SeriesBody, endpoint: string): string {
  const { points, statistics, name } = series;
  if (points.length === 0) return `${name} of ${endpoint} has no data in this period\n`;
  return table(points, [
    { title: 'AT (UTC)', cell: ({ at }) => timeText(at) },
    ...statistics.map((title, i) => ({
      title: titleOf(title, series),
      cell: ({ values }: SeriesBody['points'][number]) => numberText(values[i] ?? null),
      align: 'right' as const,
    })),
  ]);
}

function numberText(value: number | null): string {
  if (value === null) return '';
  return Number.isInteger(value) ? String(value) : value.toPrecision(4);
}
