/** The numbers of one endpoint over time, in columns, as charts take them. */
import { z } from 'zod';
import type { ScalingInputs } from '../autoscaling/index.ts';
import type { EndpointConfig, EndpointView } from '../deployment/index.ts';
import { PlatformError } from '../errors.ts';
import { type Decisions, type Measured, penstockNamespace, percentileOf, sagemakerNamespace } from '../monitoring/index.ts';
import type { Objective } from '../objective.ts';
import { alwaysOnUsdPerHour } from './always-on.ts';
import { batchesOf } from './batch-sizes.ts';
import { type ByPeriod, type Span, together } from './measured-together.ts';
import { judges } from './minutes.ts';
import { type HistoryBody, historyBody } from './overview-bodies.ts';
import { endpointPath, timeOf } from './parameters.ts';
import { type Route, route } from './route.ts';
import type { ApiServices } from './services.ts';

const time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));
const periodsMax = 5000;
/** How often numbers are looked at that nobody counts as they change. */
const lookedMs = 10_000;

const ownNames = ['Latency', 'ObjectiveMissed', 'Rows', 'Overflow/*', 'BatchRows'] as const;
const awsNames = ['Invocation4XXErrors', 'Invocation5XXErrors', 'InvocationModelErrors'] as const;
const lookedNames = ['InstancesSpent', 'FunctionsSpent', 'QueueRows', 'Instances', 'Functions'] as const;

type Sources = Pick<ApiServices, 'series' | 'clock' | 'decisions' | 'tables' | 'prices'>;

export function historyRoutes(services: ApiServices): Route[] {
  const { deployments, clock } = services;
  return [
    route('GET /endpoints/:endpoint/history', {
      summary: 'Tell the numbers of an endpoint over time, all its variants together',
      description: `By the second for an hour, by ten seconds for a day, by the minute for 90 days; at most ${periodsMax} periods.`,
      params: endpointPath,
      query: z.strictObject({
        from: time.optional().describe('An hour before `to` unless given.'),
        to: time.optional().describe('Now unless given.'),
        period_s: z.coerce.number().int().min(1).max(86_400).default(10),
      }),
      answer: historyBody,
      handle: async ({ params, query: { to: toMs = clock.wallMs(), from: fromMs = toMs - 3_600_000, period_s: periodS } }) => {
        return Buffer.from(
          JSON.stringify(await historyOf(services, deployments.get(params.endpoint), spanOf(fromMs, toMs, periodS * 1000))),
        );
      },
    }),
  ];
}

/** Whole periods, the last of which may not be over. Throws `invalid_request`. */
export function spanOf(fromMs: number, toMs: number, periodMs: number): Span {
  const span = { fromMs: Math.floor(fromMs / periodMs) * periodMs, toMs: Math.ceil(toMs / periodMs) * periodMs, periodMs };
  if (fromMs >= toMs) throw new PlatformError('invalid_request', `expected from before to, got ${timeOf(fromMs)} and ${timeOf(toMs)}`);
  const periods = (span.toMs - span.fromMs) / periodMs;
  if (periods <= periodsMax) return span;
  throw new PlatformError('invalid_request', `expected at most ${periodsMax} periods, got ${periods}: ask for longer ones, period_s`);
}

type Promising = Pick<EndpointView, 'config' | 'createdAtMs' | 'objectiveSinceMs'>;

export async function historyOf(sources: Sources, { config, ...since }: Promising, span: Span): Promise<HistoryBody> {
  const { fromMs, toMs, periodMs } = span;
  const { name: endpoint, objective } = config;
  const variants = config.variants.map(({ name }) => name);
  const own = { namespace: penstockNamespace, endpoint, variants };
  const seen = await together(sources.series, own, span, ownNames);
  const failed = await together(sources.series, { ...own, namespace: sagemakerNamespace }, span, awsNames);
  const coarse = { ...span, periodMs: Math.max(periodMs, lookedMs), fromMs: Math.floor(fromMs / lookedMs) * lookedMs };
  const looked = await together(sources.series, own, coarse, lookedNames);
  const starts = Array.from({ length: (toMs - fromMs) / periodMs }, (_, i) => fromMs + i * periodMs);
  const nowMs = sources.clock.wallMs();
  return {
    endpoint,
    from: timeOf(fromMs),
    to: timeOf(toMs),
    period_s: periodMs / 1000,
    at: starts.map((ms) => ms / 1000),
    columns: columnsOf(
      { seen, failed, looked },
      {
        starts,
        periodMs,
        coarseMs: coarse.periodMs,
        nowMs,
        objective,
        judges: (ms) => judges(since, ms),
        isServerless: isServerless(config),
      },
    ),
    forecast: await forecastOf(sources.decisions, endpoint),
    batches: await batchesOf(sources.series, own, nowMs),
    always_on_usd_per_hour: alwaysOnUsdPerHour(config, peakOf(seen.Rows, periodMs), sources),
  };
}

interface Seen {
  readonly seen: Record<(typeof ownNames)[number], ByPeriod>;
  readonly failed: Record<(typeof awsNames)[number], ByPeriod>;
  readonly looked: Record<(typeof lookedNames)[number], ByPeriod>;
}

interface Frame {
  readonly starts: readonly number[];
  readonly periodMs: number;
  /** Of what is looked at: it may be longer. */
  readonly coarseMs: number;
  readonly nowMs: number;
  readonly objective: Objective | null;
  /** Whether what came in a period that begins then was judged by this objective alone. */
  readonly judges: (ms: number) => boolean;
  readonly isServerless: boolean;
}

function columnsOf({ seen, failed, looked }: Seen, frame: Frame): HistoryBody['columns'] {
  const { starts, periodMs, coarseMs, nowMs, objective } = frame;
  /** Of a period that is not over only what has passed of it. */
  const seconds = (ms: number): number => Math.max(1, Math.min(periodMs, nowMs - ms) / 1000);
  const of = (points: ByPeriod, value: (measured: Measured, ms: number) => number | null): (number | null)[] =>
    starts.map((ms) => {
      const measured = points.get(ms);
      return measured === undefined ? null : value(measured, ms);
    });
  const percentile = (wished: number) => of(seen.Latency, (measured) => percentileOf(measured, wished));
  const functionAnswers = (measured: Measured, ms: number): number =>
    frame.isServerless ? measured.count : Math.min(measured.count, seen['Overflow/*'].get(ms)?.sum ?? 0);
  const atCoarse = (points: ByPeriod, value: (measured: Measured, ms: number) => number): (number | null)[] =>
    starts.map((start) => {
      const ms = Math.floor(start / coarseMs) * coarseMs;
      const measured = points.get(ms);
      return measured === undefined ? null : value(measured, ms);
    });
  /** How often it was looked in such a period, or in what has passed of it: the first time when it began. */
  const looks = (ms: number): number => Math.min(Math.ceil(coarseMs / lookedMs), Math.floor((nowMs - ms) / lookedMs) + 1);
  const usdPerHour = (points: ByPeriod) => atCoarse(points, ({ sum }, ms) => (sum * 3_600_000) / (looks(ms) * lookedMs));
  const mean = (points: ByPeriod) => atCoarse(points, ({ sum }, ms) => sum / looks(ms));
  const answered = seen.Latency;
  return {
    rate: of(answered, ({ count }, ms) => count / seconds(ms)),
    errors: starts.map((ms) => {
      const all = awsNames.flatMap((name) => failed[name].get(ms) ?? []);
      return all.length === 0 ? null : all.reduce((sum, each) => sum + each.sum, 0) / seconds(ms);
    }),
    p50_ms: percentile(50),
    p95_ms: percentile(95),
    p99_ms: percentile(99),
    promised_ms: objective === null ? starts.map(() => null) : percentile(objective.percentile),
    in_time: of(seen.ObjectiveMissed, ({ sum, count }, ms) => (count === 0 || !frame.judges(ms) ? null : 1 - sum / count)),
    instance_rate: of(answered, (measured, ms) => (measured.count - functionAnswers(measured, ms)) / seconds(ms)),
    function_rate: of(answered, (measured, ms) => functionAnswers(measured, ms) / seconds(ms)),
    instance_usd_per_hour: usdPerHour(looked.InstancesSpent),
    function_usd_per_hour: usdPerHour(looked.FunctionsSpent),
    mean_batch: of(seen.BatchRows, ({ sum, count }) => (count === 0 ? null : sum / count)),
    queue_rows: mean(looked.QueueRows),
    instances: mean(looked.Instances),
    functions: mean(looked.Functions),
  };
}

function isServerless({ variants }: EndpointConfig): boolean {
  return variants.every(({ functions, instanceCount, scaling }) => functions !== undefined && instanceCount === 0 && scaling === undefined);
}

function peakOf(rows: ByPeriod, periodMs: number): number {
  return Math.max(0, ...Array.from(rows.values(), ({ sum }) => (sum * 1000) / periodMs));
}

/** What the last decision on instances went by. */
async function forecastOf(decisions: Pick<Decisions, 'list'>, endpoint: string): Promise<HistoryBody['forecast']> {
  const [last] = await decisions.list({ endpoint, kind: 'scaling', limit: 1 });
  const inputs = last?.inputs as ScalingInputs | undefined;
  const forecast = inputs?.forecast ?? null;
  if (last === undefined || inputs === undefined || forecast === null) return null;
  const perSecond = 1000 / inputs.slotMs;
  const lastSlotMs = Math.floor(last.atMs / inputs.slotMs) * inputs.slotMs;
  return {
    at: forecast.horizons.map((h) => (lastSlotMs + (h - 1) * inputs.slotMs) / 1000),
    mean: forecast.mean.map((rows) => rows * perSecond),
    low: forecast.quantiles.map((quantiles) => (quantiles[0] ?? 0) * perSecond),
    high: forecast.quantiles.map((quantiles) => (quantiles.at(-1) ?? 0) * perSecond),
  };
}
