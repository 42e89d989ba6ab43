/** What endpoints measured minute by minute. A minute that is over does not change any more: it is read once and kept. */
import type { EndpointConfig } from '../deployment/index.ts';
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

interface Kept {
  /** What it was read for: another promise has another percentile, other variants are other numbers. */
  readonly mark: string;
  fromMs: number;
  toMs: number;
  minutes: Minute[];
}

export class Minutes {
  readonly #store: Store;
  readonly #kept = new Map<string, Kept>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Those in which something was measured, rising; the last one may not be over. Both times are whole minutes. */
  async of(config: EndpointConfig, fromMs: number, toMs: number, nowMs: number): Promise<readonly Minute[]> {
    if (toMs - fromMs > keptMs) return this.#read(config, fromMs, toMs);
    const mark = JSON.stringify([config.objective?.percentile, config.variants.map(({ name }) => name)]);
    let kept = this.#kept.get(config.name);
    if (kept === undefined || kept.mark !== mark || kept.fromMs > fromMs || kept.toMs < fromMs) {
      kept = { mark, fromMs, toMs: fromMs, minutes: [] };
      this.#kept.set(config.name, kept);
    }
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

  /** Those of others are let go. */
  keepOnly(endpoints: ReadonlySet<string>): void {
    for (const name of this.#kept.keys()) if (!endpoints.has(name)) this.#kept.delete(name);
  }

  async #read({ name: endpoint, objective, variants }: EndpointConfig, fromMs: number, toMs: number): Promise<Minute[]> {
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
