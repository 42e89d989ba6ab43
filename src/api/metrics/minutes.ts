/** Per-minute metrics of endpoints. A settled minute no longer changes, so it is read once and cached. */
import { type EndpointConfig, type EndpointView, productionVariants } from '../../deployment/index.ts';
import { type Measured, penstockNamespace, percentileOf } from '../../metrics/index.ts';
import { type MetricReader, readCombined } from './combined-metrics.ts';

/** One minute of an endpoint, all variants together. Costs are in US dollars. */
export interface EndpointMinute {
  readonly atMs: number;
  readonly answered: number;
  readonly rows: number;
  /** At the percentile of the objective; p95 without an objective. */
  readonly latencyMs: number | null;
  /** Answered requests with an objective, and how many of these missed it. */
  readonly promised: number;
  readonly missed: number;
  readonly overflowed: number;
  readonly instancesUsd: number;
  readonly functionsUsd: number;
}

const minuteMs = 60_000;
const names = ['Latency', 'ObjectiveMissed', 'Rows', 'Overflow/*', 'InstancesCost', 'FunctionsCost'] as const;
/** Counters arrive within a second, sampled gauges within ten. */
const settledMs = 15_000;
/** Longer ranges are not cached. */
const cachedMs = 24 * 60 * minuteMs;
/** Unused entries are evicted after this time, such as those of deleted endpoints. */
const cacheIdleMs = 15 * minuteMs;

export interface MinuteSpan {
  /** Epoch milliseconds, whole minutes; the last minute may still be running. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly nowMs: number;
}

/** The whole minutes that cover the last `spanMs`, including the current one. */
export function lastMinutes(spanMs: number, nowMs: number): MinuteSpan {
  const toMs = Math.ceil(nowMs / minuteMs) * minuteMs;
  return { fromMs: toMs - Math.ceil(spanMs / minuteMs) * minuteMs, toMs, nowMs };
}

/** Whether all requests of a period that starts at `ms` (epoch milliseconds) were judged by the current objective. */
export function isJudged({ createdAtMs, objectiveSinceMs }: Pick<EndpointView, 'createdAtMs' | 'objectiveSinceMs'>, ms: number): boolean {
  return objectiveSinceMs <= createdAtMs || ms >= objectiveSinceMs;
}

/**
 * Share of responses that met the objective; null without an objective or responses. Minutes before the creation of the
 * endpoint belong to a deleted endpoint of the same name and are ignored; the minute of creation counts. Minutes up to and
 * including a change of the objective are ignored, because they may have been judged by the previous one.
 */
export function shareWithinObjective(
  minutes: readonly EndpointMinute[],
  view: Pick<EndpointView, 'config' | 'createdAtMs' | 'objectiveSinceMs'>,
): number | null {
  const { promised, missed } = countPromised(minutes, view);
  return promised === 0 ? null : (promised - missed) / promised;
}

/** Counts the responses judged by the current objective, and how many of these missed it. */
export function countPromised(
  minutes: readonly EndpointMinute[],
  view: Pick<EndpointView, 'config' | 'createdAtMs' | 'objectiveSinceMs'>,
): Pick<EndpointMinute, 'promised' | 'missed'> {
  let [promised, missed] = [0, 0];
  for (const minute of view.config.objective === null ? [] : minutes) {
    if (minute.atMs + minuteMs <= view.createdAtMs || !isJudged(view, minute.atMs)) continue;
    promised += minute.promised;
    missed += minute.missed;
  }
  return { promised, missed };
}

interface CachedMinutes {
  /** Cache key: the entry is invalid after a change of the objective's percentile or of the variants. */
  readonly cacheKey: string;
  fromMs: number;
  toMs: number;
  minutes: EndpointMinute[];
  requestedMs: number;
}

export class Minutes {
  readonly #store: MetricReader;
  readonly #cached = new Map<string, CachedMinutes>();
  #evictedAtMs = 0;

  constructor(store: MetricReader) {
    this.#store = store;
  }

  /** Minutes with data, ascending; the last one may still be running. Both times are whole minutes. */
  async of(config: EndpointConfig, { fromMs, toMs, nowMs }: MinuteSpan): Promise<readonly EndpointMinute[]> {
    if (toMs - fromMs > cachedMs) return this.#read(config, fromMs, toMs);
    this.#evict(nowMs);
    const cacheKey = JSON.stringify([config.objective?.percentile, productionVariants(config.variants).map(({ name }) => name)]);
    let retained = this.#cached.get(config.name);
    if (retained === undefined || retained.cacheKey !== cacheKey || retained.fromMs > fromMs || retained.toMs < fromMs) {
      retained = { cacheKey, fromMs, toMs: fromMs, minutes: [], requestedMs: nowMs };
      this.#cached.set(config.name, retained);
    }
    retained.requestedMs = nowMs;
    const begin = retained.toMs;
    const fresh = begin >= toMs ? [] : await this.#read(config, begin, toMs);
    const settled = Math.floor((nowMs - settledMs) / minuteMs) * minuteMs;
    if (retained.toMs === begin && settled > begin) {
      retained.minutes = [
        ...retained.minutes.filter(({ atMs }) => atMs >= nowMs - cachedMs),
        ...fresh.filter(({ atMs }) => atMs < settled),
      ];
      retained.fromMs = Math.max(retained.fromMs, Math.floor((nowMs - cachedMs) / minuteMs) * minuteMs);
      retained.toMs = settled;
    }
    const known = retained.minutes.filter(({ atMs }) => atMs >= fromMs && atMs < begin);
    return [...known, ...fresh];
  }

  /** Runs at most once a minute. */
  #evict(nowMs: number): void {
    if (Math.abs(nowMs - this.#evictedAtMs) < minuteMs) return;
    this.#evictedAtMs = nowMs;
    for (const [name, { requestedMs }] of this.#cached) if (requestedMs < nowMs - cacheIdleMs) this.#cached.delete(name);
  }

  async #read({ name: endpoint, objective, variants }: EndpointConfig, fromMs: number, toMs: number): Promise<EndpointMinute[]> {
    // One hour of one endpoint takes about 0.5 ms: yield, so that a read of many endpoints does not block requests.
    await new Promise((resolve) => setImmediate(resolve));
    const metricSource = { namespace: penstockNamespace, endpoint, variants: productionVariants(variants).map(({ name }) => name) };
    const read = await readCombined(this.#store, metricSource, { fromMs, toMs, periodMs: minuteMs }, names);
    const starts = new Set(names.flatMap((name) => [...read[name].keys()]));
    const percentile = objective?.percentile ?? 95;
    return [...starts]
      .sort((a, b) => a - b)
      .map((atMs): EndpointMinute => {
        const at = (name: (typeof names)[number]): Measured | undefined => read[name].get(atMs);
        const latency = at('Latency');
        return {
          atMs,
          answered: latency?.count ?? 0,
          rows: at('Rows')?.sum ?? 0,
          latencyMs: latency === undefined ? null : percentileOf(latency, percentile),
          promised: at('ObjectiveMissed')?.count ?? 0,
          missed: at('ObjectiveMissed')?.sum ?? 0,
          overflowed: at('Overflow/*')?.sum ?? 0,
          instancesUsd: at('InstancesCost')?.sum ?? 0,
          functionsUsd: at('FunctionsCost')?.sum ?? 0,
        };
      });
  }
}
