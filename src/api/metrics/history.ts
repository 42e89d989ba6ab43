/** Route of one endpoint's metrics over time, in columns for charts. */
import { z } from 'zod';
import { policyInputsOf } from '../../autoscaling/index.ts';
import { type EndpointConfig, type EndpointView, productionVariants } from '../../deployment/index.ts';
import { PlatformError } from '../../errors.ts';
import { CombinedMeasure, type Measured, penstockNamespace, percentileOf, sagemakerNamespace } from '../../metrics/index.ts';
import type { Objective } from '../../objective.ts';
import type { Decisions } from '../../records/index.ts';
import { endpointPath, isoTime } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import { alwaysOnUsdPerHour } from './always-on.ts';
import { type MeasuredByPeriod, type MetricReader, type PeriodRange, readCombined } from './combined-metrics.ts';
import { isJudged } from './minutes.ts';
import { type HistoryBody, historyBody } from './overview-bodies.ts';

/** What these routes need of the server. */
type Services = Pick<ApiServices, 'clock' | 'decisions' | 'deployments' | 'prices' | 'series' | 'tables'>;

const time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));
const periodsMax = 5000;
/** Interval at which gauges are sampled. */
const sampledMs = 10_000;

const ownNames = ['Latency', 'ObjectiveMissed', 'Rows', 'Overflow/*', 'BatchRows'] as const;
const awsNames = ['Invocation4XXErrors', 'Invocation5XXErrors', 'InvocationModelErrors'] as const;
const sampledNames = ['InstancesCost', 'FunctionsCost', 'QueueRows', 'Instances', 'Functions'] as const;

type HistoryDeps = Pick<ApiServices, 'series' | 'clock' | 'decisions' | 'tables' | 'prices'>;

export function historyRoutes(services: Services): ApiRoute[] {
  const { deployments, clock } = services;
  return [
    apiRoute('GET /endpoints/:endpoint/history', {
      summary: 'Get the metrics of an endpoint over time, all variants together',
      description: `Resolution: 1 s for an hour, 10 s for a day, 1 minute for 90 days; at most ${periodsMax} periods.`,
      params: endpointPath,
      query: z.strictObject({
        from: time.optional().describe('Default: one hour before `to`.'),
        to: time.optional().describe('Default: now.'),
        period_s: z.coerce.number().int().min(1).max(86_400).default(10),
      }),
      answer: historyBody,
      handle: async ({ params, query: { to: toMs = clock.wallMs(), from: fromMs = toMs - 3_600_000, period_s: periodS } }) => {
        return Buffer.from(
          JSON.stringify(await readHistory(services, deployments.get(params.endpoint), alignedRange(fromMs, toMs, periodS * 1000))),
        );
      },
    }),
  ];
}

/** Rounds the range to whole periods; the last one may still be running. Throws `invalid_request`. */
export function alignedRange(fromMs: number, toMs: number, periodMs: number): PeriodRange {
  const span = { fromMs: Math.floor(fromMs / periodMs) * periodMs, toMs: Math.ceil(toMs / periodMs) * periodMs, periodMs };
  if (fromMs >= toMs) throw new PlatformError('invalid_request', `expected from before to, got ${isoTime(fromMs)} and ${isoTime(toMs)}`);
  const periods = (span.toMs - span.fromMs) / periodMs;
  if (periods <= periodsMax) return span;
  throw new PlatformError('invalid_request', `expected at most ${periodsMax} periods, got ${periods}: set a longer period_s`);
}

type PromisedEndpoint = Pick<EndpointView, 'config' | 'createdAtMs' | 'objectiveSinceMs'>;

export async function readHistory(deps: HistoryDeps, { config, ...since }: PromisedEndpoint, span: PeriodRange): Promise<HistoryBody> {
  const { fromMs, toMs, periodMs } = span;
  const { name: endpoint, objective } = config;
  const variants = productionVariants(config.variants).map(({ name }) => name);
  const own = { namespace: penstockNamespace, endpoint, variants };
  const measured = await readCombined(deps.series, own, span, ownNames);
  const failed = await readCombined(deps.series, { ...own, namespace: sagemakerNamespace }, span, awsNames);
  const coarse = { ...span, periodMs: Math.max(periodMs, sampledMs), fromMs: Math.floor(fromMs / sampledMs) * sampledMs };
  const sampled = await readCombined(deps.series, own, coarse, sampledNames);
  const starts = Array.from({ length: (toMs - fromMs) / periodMs }, (_, i) => fromMs + i * periodMs);
  const nowMs = deps.clock.wallMs();
  return {
    endpoint,
    from: isoTime(fromMs),
    to: isoTime(toMs),
    period_s: periodMs / 1000,
    at: starts.map((ms) => ms / 1000),
    columns: columnsOf(
      { measured, failed, sampled },
      {
        starts,
        periodMs,
        coarseMs: coarse.periodMs,
        nowMs,
        objective,
        judges: (ms) => isJudged(since, ms),
        isServerless: isServerless(config),
      },
    ),
    forecast: await forecastOf(deps.decisions, endpoint),
    batches: await batchesOf(deps.series, own, nowMs),
    always_on_usd_per_hour: alwaysOnUsdPerHour(config, peakOf(measured.Rows, periodMs), deps),
  };
}

interface PeriodMetrics {
  readonly measured: Record<(typeof ownNames)[number], MeasuredByPeriod>;
  readonly failed: Record<(typeof awsNames)[number], MeasuredByPeriod>;
  readonly sampled: Record<(typeof sampledNames)[number], MeasuredByPeriod>;
}

interface Frame {
  readonly starts: readonly number[];
  readonly periodMs: number;
  /** Period of sampled gauges; it may be longer than `periodMs`. */
  readonly coarseMs: number;
  readonly nowMs: number;
  readonly objective: Objective | null;
  /** Whether all requests of the period that starts at `ms` were judged by the current objective. */
  readonly judges: (ms: number) => boolean;
  readonly isServerless: boolean;
}

function columnsOf({ measured: counted, failed, sampled }: PeriodMetrics, frame: Frame): HistoryBody['columns'] {
  const { starts, periodMs, coarseMs, nowMs, objective } = frame;
  /** Length of the period, or its elapsed part while it is running. */
  const seconds = (ms: number): number => Math.max(1, Math.min(periodMs, nowMs - ms) / 1000);
  const of = (points: MeasuredByPeriod, value: (measured: Measured, ms: number) => number | null): (number | null)[] =>
    starts.map((ms) => {
      const measured = points.get(ms);
      return measured === undefined ? null : value(measured, ms);
    });
  const percentile = (requested: number) => of(counted.Latency, (measured) => percentileOf(measured, requested));
  const functionAnswers = (measured: Measured, ms: number): number =>
    frame.isServerless ? measured.count : Math.min(measured.count, counted['Overflow/*'].get(ms)?.sum ?? 0);
  const atCoarse = (points: MeasuredByPeriod, value: (measured: Measured, ms: number) => number): (number | null)[] =>
    starts.map((start) => {
      const ms = Math.floor(start / coarseMs) * coarseMs;
      const measured = points.get(ms);
      return measured === undefined ? null : value(measured, ms);
    });
  /** Number of samples in a coarse period, or in its elapsed part. The first sample is taken at its start. */
  const samples = (ms: number): number => Math.min(Math.ceil(coarseMs / sampledMs), Math.floor((nowMs - ms) / sampledMs) + 1);
  const usdPerHour = (points: MeasuredByPeriod) => atCoarse(points, ({ sum }, ms) => (sum * 3_600_000) / (samples(ms) * sampledMs));
  const mean = (points: MeasuredByPeriod) => atCoarse(points, ({ sum }, ms) => sum / samples(ms));
  const answered = counted.Latency;
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
    in_time: of(counted.ObjectiveMissed, ({ sum, count }, ms) => (count === 0 || !frame.judges(ms) ? null : 1 - sum / count)),
    instance_rate: of(answered, (measured, ms) => (measured.count - functionAnswers(measured, ms)) / seconds(ms)),
    function_rate: of(answered, (measured, ms) => functionAnswers(measured, ms) / seconds(ms)),
    instance_usd_per_hour: usdPerHour(sampled.InstancesCost),
    function_usd_per_hour: usdPerHour(sampled.FunctionsCost),
    mean_batch: of(counted.BatchRows, ({ sum, count }) => (count === 0 ? null : sum / count)),
    queue_rows: mean(sampled.QueueRows),
    instances: mean(sampled.Instances),
    functions: mean(sampled.Functions),
  };
}

function isServerless({ variants }: EndpointConfig): boolean {
  return variants.every(({ functions, instanceCount, scaling }) => functions !== undefined && instanceCount === 0 && scaling === undefined);
}

function peakOf(rows: MeasuredByPeriod, periodMs: number): number {
  return Math.max(0, ...Array.from(rows.values(), ({ sum }) => (sum * 1000) / periodMs));
}

/** The forecast used by the last scaling decision. */
async function forecastOf(decisions: Pick<Decisions, 'list'>, endpoint: string): Promise<HistoryBody['forecast']> {
  const made = await decisions.list({ endpoint, kind: 'scaling', limit: 20 });
  const last = made.find((each) => policyInputsOf(each) !== null);
  const inputs = last === undefined ? null : policyInputsOf(last);
  const forecast = inputs?.forecast ?? null;
  if (last === undefined || inputs === null || forecast === null) return null;
  const perSecond = 1000 / inputs.slotMs;
  const lastSlotMs = Math.floor(last.atMs / inputs.slotMs) * inputs.slotMs;
  return {
    at: forecast.horizons.map((h) => (lastSlotMs + (h - 1) * inputs.slotMs) / 1000),
    mean: forecast.mean.map((rows) => rows * perSecond),
    low: forecast.quantiles.map((quantiles) => (quantiles[0] ?? 0) * perSecond),
    high: forecast.quantiles.map((quantiles) => (quantiles.at(-1) ?? 0) * perSecond),
  };
}

/** The batches of the last ten minutes by number of rows and close reason. */
const minuteMs = 60_000;
const backMs = 10 * minuteMs;
const reasons = ['idle', 'full', 'ahead', 'company', 'late', 'slack', 'next-would-miss', 'timeout', 'rescue', 'flush'] as const;

/** Null if no batch ran in this time. */
async function batchesOf(
  store: MetricReader,
  metricSource: Parameters<typeof readCombined>[1],
  nowMs: number,
): Promise<HistoryBody['batches']> {
  const toMs = Math.ceil(nowMs / minuteMs) * minuteMs;
  const span = { fromMs: toMs - backMs, toMs, periodMs: minuteMs };
  const names = reasons.map((reason) => `BatchRows/${reason}` as const);
  const read = await readCombined(store, metricSource, span, names);
  const byReason = reasons.flatMap((reason) => {
    const all = new CombinedMeasure();
    for (const measured of read[`BatchRows/${reason}`].values()) all.add(measured);
    return all.count === 0 ? [] : [{ reason, all }];
  });
  if (byReason.length === 0) return null;
  const dispatched = byReason.reduce((sum, { all }) => sum + all.count, 0);
  const rows = byReason.reduce((sum, { all }) => sum + all.sum, 0);
  const largest = Math.max(...byReason.map(({ all }) => all.max));
  return {
    since: isoTime(span.fromMs),
    dispatched,
    mean_rows: rows / dispatched,
    sizes: sizesUpTo(largest).map((size) => ({ ...size, reasons: within(byReason, size) })),
  };
}

/** Histogram buckets 1, 2, 3-4, 5-8, ... rows. */
function sizesUpTo(largest: number): { from: number; to: number }[] {
  const sizes = [{ from: 1, to: 1 }];
  for (let to = 2; (sizes.at(-1)?.to ?? 0) < largest; to *= 2) sizes.push({ from: to / 2 + 1, to });
  return sizes;
}

function within(
  byReason: readonly { readonly reason: string; readonly all: Measured }[],
  { from, to }: { from: number; to: number },
): Record<string, number> {
  // Sketches have about 1 % relative error, so an integer is counted from half a row below to half a row above.
  const counted = byReason.map(({ reason, all }) => [reason, all.sketch.countUpTo(to + 0.5) - all.sketch.countUpTo(from - 0.5)] as const);
  return Object.fromEntries(counted.filter(([, count]) => count > 0));
}
