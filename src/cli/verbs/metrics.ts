/** `penstock metrics`: what was measured of an endpoint, by periods; `penstock alarms`: what rings. */
import { type Command, Option } from 'commander';
import type { AlarmBody, Page, SeriesBody } from '../../api/index.ts';
import { parseDurationMs } from '../../objective.ts';
import type { Doors } from '../doors.ts';
import { measuredNames, variantMeant } from '../measured-names.ts';
import { table } from '../table.ts';
import { type CommonOptions, parsedBy, type Session, verb, wholeNumber } from '../verb.ts';
import { timeText } from '../words.ts';

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

interface AlarmsOptions extends CommonOptions {
  readonly ringing: boolean;
}

export function addMetrics(program: Command, doors: Doors): void {
  verb(program, doors, 'metrics <endpoint>', 'show what was measured of an endpoint, by periods')
    .with((command) =>
      command
        .option('--variant <name>', 'of which variant, where there are several')
        .option('--worker <number>', 'of which worker, from 0: for WorkerMemory and WorkerProcessor', wholeNumber(0, 9999))
        .option('--metric <name>', 'such as Latency, QueueTime, BatchRows, ObjectiveMissed, Cost', 'Latency')
        .option('--namespace <name>', "Penstock, or AWS/SageMaker for SageMaker's names")
        .option('--statistics <list>', 'SampleCount, Sum, Average, Minimum, Maximum, percentiles', 'SampleCount,p50,p95,p99')
        .addOption(new Option('--since <duration>', 'how far back').argParser(parsedBy(parseDurationMs)).default(600_000, '10m'))
        .addOption(
          new Option('--period <duration>', 'of one line (default: a minute, or longer where that would be many lines)').argParser(
            parsedBy(parseDurationMs),
          ),
        ),
    )
    .runs(async (session, options: MetricsOptions, endpoint: string) => {
      const { metric: name, namespace, statistics, since, period } = options;
      const client = await session.client();
      const variant = await variantMeant(client, endpoint, options.variant);
      const from = new Date(doors.clock.wallMs() - since).toISOString();
      const asked = {
        name,
        namespace,
        statistics: statistics.replaceAll(' ', ''),
        from,
        period_s: Math.round((period ?? periodFor(since)) / 1000),
      };
      const seriesOf = (place: Readonly<Record<string, string>>) =>
        client.get<SeriesBody>('/metrics/series', { query: { ...place, ...asked } });
      const worker = options.worker === undefined ? undefined : String(options.worker);
      const ofWorker = JSON.stringify({ EndpointName: endpoint, VariantName: variant, Worker: worker });
      let series = await seriesOf(worker === undefined ? { endpoint, variant } : { dimensions: ofWorker });
      // A backlog, say, is the endpoint's and no variant's.
      if (series.unit === null && options.variant === undefined && worker === undefined) {
        const whole = await seriesOf({ dimensions: JSON.stringify({ EndpointName: endpoint }) });
        if (whole.unit !== null) series = whole;
      }
      if (series.unit === null) await measuredNames(client, { endpoint, variant, worker, name, namespace });
      session.print(series, seriesText(series, endpoint));
      return 0;
    });
}

/** Whole minutes, so many that there are no more lines than anybody looks at. */
function periodFor(sinceMs: number): number {
  return Math.max(1, Math.ceil(sinceMs / linesMost / minuteMs)) * minuteMs;
}

export function addAlarms(program: Command, doors: Doors): void {
  verb(program, doors, 'alarms [endpoint]', 'show the alarms, of an endpoint or all, those that ring first')
    .with((command) => command.option('--ringing', 'only those that ring', false))
    .runs(async (session, { ringing }: AlarmsOptions, endpoint: string | undefined) => {
      const query = { endpoint, state: ringing ? 'ALARM' : undefined };
      const { items } = await (await session.client()).get<Page<AlarmBody>>('/alarms', { query });
      session.print(items, alarmsText(session, items, endpoint, ringing));
      return 0;
    });
}

/** As they stand behind a number. */
const units: Readonly<Record<string, string>> = {
  Milliseconds: 'ms',
  Microseconds: 'µs',
  Seconds: 's',
  Percent: '%',
  Bytes: 'bytes',
  Count: '',
  None: '',
};
/** What counts dollars has no unit in CloudWatch's words. */
const inDollars: readonly string[] = ['Cost', 'Spent'];

/** `P95 (ms)`; how many values there are has no unit. */
function titleOf(statistic: string, { name, unit }: SeriesBody): string {
  const short = inDollars.includes(name) ? '$' : (units[unit ?? 'None'] ?? unit);
  return statistic === 'SampleCount' || short === '' ? statistic.toUpperCase() : `${statistic.toUpperCase()} (${short})`;
}

function seriesText(series: SeriesBody, endpoint: string): string {
  const { points, statistics, name } = series;
  if (points.length === 0) return `nothing was measured of ${name} at ${endpoint} in that time\n`;
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

function alarmsText({ style }: Session, items: readonly AlarmBody[], endpoint: string | undefined, isRinging: boolean): string {
  const whose = endpoint === undefined ? '' : ` of ${endpoint}`;
  if (items.length === 0) return isRinging ? `no alarm${whose} rings\n` : `there are no alarms${whose} yet: every endpoint gets some\n`;
  return table(items, [
    { title: 'ALARM', cell: ({ name }) => name },
    { title: 'STATE', cell: ({ state }) => style.state(state) },
    { title: 'SINCE (UTC)', cell: ({ since }) => timeText(since) },
    { title: 'RINGS AT', cell: ({ rule }) => rule },
    { title: 'REASON', cell: ({ reason }) => reason },
  ]);
}
