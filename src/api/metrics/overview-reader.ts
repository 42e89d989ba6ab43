/** Assembles the overview from desired state, running workers, metrics and alarms. */

import { z } from 'zod';
import { type Alarm, isAlarmOf } from '../../alerts/index.ts';
import { usdPerMillion } from '../../costs/index.ts';
import { type EndpointConfig, type EndpointView, productionVariants } from '../../deployment/index.ts';
import { messageOf } from '../../errors.ts';
import { CombinedMeasure, penstockNamespace, percentileOf } from '../../metrics/index.ts';
import { formatObjective } from '../../objective.ts';
import { isoTime } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import { alwaysOnUsdPerHour } from './always-on.ts';
import { readCombined } from './combined-metrics.ts';
import { countPromised, type EndpointMinute, lastMinutes, type MinuteSpan, Minutes, shareWithinObjective } from './minutes.ts';
import { type OverviewBody, type OverviewEndpointBody, overviewBody } from './overview-bodies.ts';

const minuteMs = 60_000;
const hourMs = 3_600_000;
const sparkParts = 40;
const moneyParts = 120;
/** Concurrent readers share one result for this long. */
const freshMs = 1000;

type OverviewDeps = Pick<ApiServices, 'deployments' | 'serving' | 'series' | 'alarms' | 'log' | 'clock' | 'tables' | 'prices'>;
type Row = OverviewEndpointBody;

interface EndpointSnapshot {
  readonly view: EndpointView;
  readonly minutes: readonly EndpointMinute[];
}

export class OverviewReader {
  readonly #deps: OverviewDeps;
  readonly #minutes: Minutes;
  /** The latest result by span. */
  readonly #last = new Map<number, { readonly atMs: number; readonly body: Promise<OverviewBody> }>();
  /** Avoids repeated warnings while the metrics cannot be read. */
  #isUnreadable = false;

  constructor(deps: OverviewDeps) {
    this.#deps = deps;
    this.#minutes = new Minutes(deps.series);
  }

  /** Callers of about the same time share one result, also while it is being read. */
  read(spanMs: number): Promise<OverviewBody> {
    const atMs = this.#deps.clock.nowMs();
    for (const [span, last] of this.#last) if (atMs - last.atMs >= freshMs) this.#last.delete(span);
    const known = this.#last.get(spanMs);
    if (known !== undefined) return known.body;
    const body = this.#read(spanMs);
    this.#last.set(spanMs, { atMs, body });
    return body;
  }

  /**
   * Share of the responses of the last hour that met the objective; null without an objective or responses. Also null if the
   * metrics cannot be read: creating or changing an endpoint must not fail because of that.
   */
  async inTime(view: EndpointView): Promise<number | null> {
    if (view.config.objective === null) return null;
    const { clock, log } = this.#deps;
    try {
      const minutes = await this.#minutes.of(view.config, lastMinutes(hourMs, clock.wallMs()));
      this.#isUnreadable = false;
      return shareWithinObjective(minutes, view);
    } catch (error) {
      if (!this.#isUnreadable) {
        log.warn({ endpoint: view.config.name }, `failed to read the share of responses that met the objective: ${messageOf(error)}`);
      }
      this.#isUnreadable = true;
      return null;
    }
  }

  async #read(spanMs: number): Promise<OverviewBody> {
    const { deployments, clock, alarms } = this.#deps;
    const nowMs = clock.wallMs();
    const span = lastMinutes(spanMs, nowMs);
    const { fromMs, toMs } = span;
    const views = deployments.list();
    const ringing = alarms.list().filter(({ state }) => state === 'ALARM');
    const snapshots: EndpointSnapshot[] = [];
    const rows: Row[] = [];
    for (const view of views) {
      const minutes = await this.#minutes.of(view.config, span);
      snapshots.push({ view, minutes });
      rows.push(await this.#rowOf({ view, minutes }, { ...span, ringing }));
    }
    return {
      at: isoTime(nowMs),
      span_s: spanMs / 1000,
      totals: this.#totalsOf(snapshots, rows, { fromMs, nowMs }),
      endpoints: rows,
      money: moneyOf(snapshots, fromMs, toMs, nowMs),
    };
  }

  async #rowOf(
    { view, minutes }: EndpointSnapshot,
    { fromMs, toMs, nowMs, ringing }: MinuteSpan & { ringing: readonly Alarm[] },
  ): Promise<Row> {
    const { config } = view;
    const served = this.#deps.serving.endpoint(config.name);
    const sum = (of: (minute: EndpointMinute) => number): number => minutes.reduce((total, minute) => total + of(minute), 0);
    const [answered, usd] = [sum((each) => each.answered), sum((each) => each.instancesUsd + each.functionsUsd)];
    const now = await this.#lastMinute(config, minutes, nowMs);
    const lastMs = Math.max(0, ...(served?.variants ?? []).map(({ statistics }) => statistics.lastInferenceMs));
    return {
      name: config.name,
      status: view.status,
      reason: view.reason,
      objective: config.objective === null ? null : formatObjective(config.objective),
      models: productionVariants(config.variants).map(({ group, version }) => `${group}/${version}`),
      rate: now.rate,
      requests: answered,
      latency_ms: now.latencyMs,
      spark: sparkOf(minutes, fromMs, toMs),
      in_time: shareWithinObjective(minutes, view),
      in_time_last_hour: await this.inTime(view),
      instances_ready: readyInstances(view),
      instances_desired: view.variants.reduce((total, { wanted }) => total + wanted, 0),
      instance_type: config.variants.find(({ instanceCount, scaling }) => instanceCount > 0 || scaling !== undefined)?.instanceType ?? null,
      has_functions: config.variants.some(({ functions }) => functions !== undefined),
      overflow_share: answered === 0 ? null : sum((each) => each.overflowed) / answered,
      usd_per_hour: this.#instancesUsdPerHour(view) + now.functionsUsdPerHour,
      usd_per_million: usdPerMillion({ totalUsd: usd, requests: answered }),
      last_request_at: lastMs === 0 ? null : isoTime(lastMs),
      alarms: ringing.filter((alarm) => isAlarmOf(alarm, config.name)).length,
    };
  }

  /** The last 60 seconds, aligned to 10 s. */
  async #lastMinute(config: EndpointConfig, minutes: readonly EndpointMinute[], nowMs: number) {
    const quiet = { rate: 0, latencyMs: null, functionsUsdPerHour: 0 };
    if ((minutes.at(-1)?.atMs ?? 0) < nowMs - 3 * minuteMs) return quiet;
    const toMs = Math.floor(nowMs / 10_000) * 10_000;
    const metricSource = {
      namespace: penstockNamespace,
      endpoint: config.name,
      variants: productionVariants(config.variants).map(({ name }) => name),
    };
    const span = { fromMs: toMs - minuteMs, toMs, periodMs: 10_000 };
    const { Latency: latency, FunctionsCost: spent } = await readCombined(this.#deps.series, metricSource, span, [
      'Latency',
      'FunctionsCost',
    ]);
    const functionsUsdPerHour = [...spent.values()].reduce((total, { sum }) => total + sum, 0) * 60;
    const all = [...latency.values()];
    const count = all.reduce((total, each) => total + each.count, 0);
    if (count === 0) return { ...quiet, functionsUsdPerHour };
    const whole = new CombinedMeasure();
    for (const each of all) whole.add(each);
    return { rate: count / 60, latencyMs: percentileOf(whole, config.objective?.percentile ?? 95), functionsUsdPerHour };
  }

  /** Cost of the running instances. */
  #instancesUsdPerHour({ config, variants }: EndpointView): number {
    return config.variants.reduce((usd, { name, instanceType }) => {
      const workers = variants.find((variant) => variant.name === name)?.workers ?? [];
      const price = this.#deps.prices.instances[instanceType]?.usdPerHour ?? 0;
      return usd + workers.filter(({ spec }) => spec.kind !== 'function').length * price;
    }, 0);
  }

  #totalsOf(
    snapshots: readonly EndpointSnapshot[],
    rows: readonly Row[],
    { fromMs, nowMs }: { fromMs: number; nowMs: number },
  ): OverviewBody['totals'] {
    const all = snapshots.flatMap(({ minutes }) => minutes);
    const byMinute = new Map<number, number>();
    for (const { atMs, answered } of all) byMinute.set(atMs, (byMinute.get(atMs) ?? 0) + answered);
    // The same counts as in the rows.
    const promised = snapshots.map(({ view, minutes }) => countPromised(minutes, view));
    const [peak] = [...byMinute].sort(([, a], [, b]) => b - a);
    const sum = (of: (minute: EndpointMinute) => number): number => all.reduce((total, minute) => total + of(minute), 0);
    const [requests, spent] = [sum((each) => each.answered), sum((each) => each.instancesUsd + each.functionsUsd)];
    return {
      rate: rows.reduce((total, { rate }) => total + rate, 0),
      peak_rate: peak === undefined ? null : peak[1] / 60,
      peak_at: peak === undefined ? null : isoTime(peak[0]),
      requests,
      promised_requests: promised.reduce((total, each) => total + each.promised, 0),
      in_time_requests: promised.reduce((total, each) => total + each.promised - each.missed, 0),
      usd_per_hour: rows.reduce((total, { usd_per_hour: usd }) => total + (usd ?? 0), 0),
      usd_per_million: usdPerMillion({ totalUsd: spent, requests }),
      spent_usd: spent,
      always_on_usd: this.#alwaysOnUsd(snapshots, fromMs, nowMs),
    };
  }

  /** Null if the capacity of any endpoint with requests is unknown: a partial sum would understate the baseline. */
  #alwaysOnUsd(snapshots: readonly EndpointSnapshot[], fromMs: number, nowMs: number): number | null {
    let usd = 0;
    for (const { view, minutes } of snapshots) {
      const rowsPerSecond = Math.max(0, ...minutes.map(({ rows }) => rows / 60));
      if (rowsPerSecond === 0) continue;
      const perHour = alwaysOnUsdPerHour(view.config, rowsPerSecond, this.#deps);
      if (perHour === null) return null;
      usd += (perHour * (nowMs - Math.max(fromMs, view.createdAtMs))) / hourMs;
    }
    return usd === 0 ? null : usd;
  }
}

function readyInstances({ config, variants }: EndpointView): number {
  return variants.reduce((total, { name, ready }) => {
    const own = config.variants.find((variant) => variant.name === name);
    const isServerless = own?.functions !== undefined && own.instanceCount === 0 && own.scaling === undefined;
    return total + (isServerless ? 0 : ready);
  }, 0);
}

/** Each part is the mean of its minutes, weighted by answered requests. */
function sparkOf(minutes: readonly EndpointMinute[], fromMs: number, toMs: number): (number | null)[] {
  const sums = Array.from({ length: sparkParts }, () => ({ ms: 0, weight: 0 }));
  for (const { atMs, latencyMs, answered } of minutes) {
    const part = sums[Math.floor(((atMs - fromMs) / (toMs - fromMs)) * sparkParts)];
    if (part === undefined || latencyMs === null) continue;
    part.ms += latencyMs * answered;
    part.weight += answered;
  }
  return sums.map(({ ms, weight }) => (weight === 0 ? null : ms / weight));
}

function moneyOf(snapshots: readonly EndpointSnapshot[], fromMs: number, toMs: number, nowMs: number): OverviewBody['money'] {
  const periodMs = Math.max(1, Math.round((toMs - fromMs) / moneyParts / minuteMs)) * minuteMs;
  const starts = Array.from({ length: Math.ceil((toMs - fromMs) / periodMs) }, (_, i) => fromMs + i * periodMs);
  const instances: (number | null)[] = starts.map(() => null);
  const functions = [...instances];
  for (const { minutes } of snapshots) {
    for (const { atMs, instancesUsd, functionsUsd } of minutes) {
      const part = Math.floor((atMs - fromMs) / periodMs);
      const passedMs = Math.max(10_000, Math.min(periodMs, nowMs - (starts[part] ?? nowMs)));
      instances[part] = (instances[part] ?? 0) + (instancesUsd * hourMs) / passedMs;
      functions[part] = (functions[part] ?? 0) + (functionsUsd * hourMs) / passedMs;
    }
  }
  return { at: starts.map((ms) => ms / 1000), instance_usd_per_hour: instances, function_usd_per_hour: functions };
}

/** Route of the overview: one row per endpoint and the totals. */
export const spanParameter = z.coerce
  .number()
  .int()
  .min(300)
  .max(7 * 86_400)
  .default(3600)
  .describe('Length of the span before now, in seconds.');

export function overviewRoutes(reader: OverviewReader): ApiRoute[] {
  return [
    apiRoute('GET /overview', {
      summary: 'Get an overview of all endpoints',
      description: 'State and metrics of all endpoints in one call, refreshed once a second.',
      query: z.strictObject({ span_s: spanParameter }),
      answer: overviewBody,
      handle: async ({ query }) => Buffer.from(JSON.stringify(await reader.read(query.span_s * 1000))),
    }),
  ];
}
