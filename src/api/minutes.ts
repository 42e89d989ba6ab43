/** What endpoints measured minute by minute. A minute that is over does not change any more: it is read once and kept. */
import type { EndpointConfig, EndpointView } from '../deployment/index.ts';
import { type Measured, penstockNamespace, percentileOf } from '../monitoring/index.ts';
import { type Store, together } from './measured-together.ts';

export interface Minute {
  readonly atMs: number;
  readonly answered: number;
  readonly rows: number;
  /** The promised percentile, p95 where nothing is promised. */
  readonly latencyMs: number | null;
  /** Of those answered, how many the objective was known of, and how many missed it. */
  readonly promised: number;
  readonly missed: number;
  readonly overflowed: number;
  readonly instancesUsd: number;
  readonly functionsUsd: number;
}

const minuteMs = 60_000;
const names = ['Latency', 'ObjectiveMissed', 'Rows', 'Overflow/*', 'InstancesSpent', 'FunctionsSpent'] as const;
/** Values come in by the second, and what is looked at every ten. */
const settledMs = 15_000;
/** Longer spans are read anew. */
const keptMs = 24 * 60 * minuteMs;
/** Whose nobody asked for so long are let go: an endpoint may be gone. */
const unaskedMs = 15 * minuteMs;

export interface MinuteSpan {
  /** Epoch milliseconds, whole minutes, the last of which may not be over. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly nowMs: number;
}

export function lastMinutes(spanMs: number, nowMs: number): MinuteSpan {
  const toMs = Math.ceil(nowMs / minuteMs) * minuteMs;
  return { fromMs: toMs - Math.ceil(spanMs / minuteMs) * minuteMs, toMs, nowMs };
}

/** Whether all that came in a period that begins then (epoch milliseconds) was judged by the objective of now. */
export function judges({ createdAtMs, objectiveSinceMs }: Pick<EndpointView, 'createdAtMs' | 'objectiveSinceMs'>, ms: number): boolean {
  return objectiveSinceMs <= createdAtMs || ms >= objectiveSinceMs;
}

/**
 * Of the answers, the share within the objective; null where nothing is promised, or nothing was answered. What was measured before the
 * minute in which the endpoint was made is another's, who had its name (that minute may be so in part, and counts); and what was until the end of the minute in which it was given another objective may have been
 * judged by the one before.
 */
export function inTimeOf(
  minutes: readonly Minute[],
  view: Pick<EndpointView, 'config' | 'createdAtMs' | 'objectiveSinceMs'>,
): number | null {
  const { promised, missed } = promisedIn(minutes, view);
  return promised === 0 ? null : (promised - missed) / promised;
}

/** Of the answers, how many are held against the objective of now, and how many of them missed it. */
export function promisedIn(
  minutes: readonly Minute[],
  view: Pick<EndpointView, 'config' | 'createdAtMs' | 'objectiveSinceMs'>,
): Pick<Minute, 'promised' | 'missed'> {
  let [promised, missed] = [0, 0];
  for (const minute of view.config.objective === null ? [] : minutes) {
    if (minute.atMs + minuteMs <= view.createdAtMs || !judges(view, minute.atMs)) continue;
    promised += minute.promised;
    missed += minute.missed;
  }
  return { promised, missed };
}

interface Kept {
  /** What it was read for: another promise has another percentile, other variants are other numbers. */
  readonly mark: string;
  fromMs: number;
  toMs: number;
  minutes: Minute[];
  askedMs: number;
}

export class Minutes {
  readonly #store: Store;
  readonly #kept = new Map<string, Kept>();
  #lookedMs = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Those in which something was measured, rising; the last one may not be over. Both times are whole minutes. */
  async of(config: EndpointConfig, { fromMs, toMs, nowMs }: MinuteSpan): Promise<readonly Minute[]> {
    if (toMs - fromMs > keptMs) return this.#read(config, fromMs, toMs);
    this.#letGo(nowMs);
    const mark = JSON.stringify([config.objective?.percentile, config.variants.map(({ name }) => name)]);
    let kept = this.#kept.get(config.name);
    if (kept === undefined || kept.mark !== mark || kept.fromMs > fromMs || kept.toMs < fromMs) {
      kept = { mark, fromMs, toMs: fromMs, minutes: [], askedMs: nowMs };
      this.#kept.set(config.name, kept);
    }
    kept.askedMs = nowMs;
    const begin = kept.toMs;
    const fresh = begin >= toMs ? [] : await this.#read(config, begin, toMs);
    const settled = Math.floor((nowMs - settledMs) / minuteMs) * minuteMs;
    if (kept.toMs === begin && settled > begin) {
      kept.minutes = [...kept.minutes.filter(({ atMs }) => atMs >= nowMs - keptMs), ...fresh.filter(({ atMs }) => atMs < settled)];
      kept.fromMs = Math.max(kept.fromMs, Math.floor((nowMs - keptMs) / minuteMs) * minuteMs);
      kept.toMs = settled;
    }
    const known = kept.minutes.filter(({ atMs }) => atMs >= fromMs && atMs < begin);
    return [...known, ...fresh];
  }

  /** Looked for once a minute. */
  #letGo(nowMs: number): void {
    if (Math.abs(nowMs - this.#lookedMs) < minuteMs) return;
    this.#lookedMs = nowMs;
    for (const [name, { askedMs }] of this.#kept) if (askedMs < nowMs - unaskedMs) this.#kept.delete(name);
  }

  async #read({ name: endpoint, objective, variants }: EndpointConfig, fromMs: number, toMs: number): Promise<Minute[]> {
    // An hour of one endpoint takes half a millisecond: who reads those of many lets requests pass in between.
    await new Promise((resolve) => setImmediate(resolve));
    const place = { namespace: penstockNamespace, endpoint, variants: variants.map(({ name }) => name) };
    const read = await together(this.#store, place, { fromMs, toMs, periodMs: minuteMs }, names);
    const starts = new Set(names.flatMap((name) => [...read[name].keys()]));
    const percentile = objective?.percentile ?? 95;
    return [...starts]
      .sort((a, b) => a - b)
      .map((atMs): Minute => {
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
          instancesUsd: at('InstancesSpent')?.sum ?? 0,
          functionsUsd: at('FunctionsSpent')?.sum ?? 0,
        };
      });
  }
}
