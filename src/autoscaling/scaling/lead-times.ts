/** Start times of instances, from launch request to first batch. The estimate is the median of recent starts. */
import { upperMedian } from '../../quantiles.ts';
import type { ObservedInstance } from './scaled-variant.ts';

const samplesMax = 20;
/** Longer start times are discarded, because they mean that the clock was changed during the start. */
const longestMs = 3_600_000;
/** Assumed start time until one is observed. */
const unseenMs = 2000;

/** Never below a minimum, so that one lucky start does not make plans too late. */
export class LeadTimes {
  readonly #leastMs: number;
  #leadsMs: readonly number[];
  readonly #counted = new Map<string, number>();

  constructor(leastMs: number, leadsMs: readonly number[]) {
    this.#leastMs = leastMs;
    this.#leadsMs = leadsMs;
  }

  get medianMs(): number {
    return Math.max(this.#leastMs, upperMedian(this.#leadsMs) ?? unseenMs);
  }

  /** Records the start time of each new instance. Ignores instances whose process was restarted. */
  observe(instances: readonly ObservedInstance[]): void {
    const present = new Set(instances.map(({ id }) => id));
    for (const id of this.#counted.keys()) if (!present.has(id)) this.#counted.delete(id);
    for (const { id, startedAtMs, readyAtMs, restarts } of instances) {
      if (readyAtMs === null || restarts > 0 || this.#counted.get(id) === startedAtMs) continue;
      this.#counted.set(id, startedAtMs);
      const leadMs = readyAtMs - startedAtMs;
      if (leadMs >= 0 && leadMs <= longestMs) this.#leadsMs = [...this.#leadsMs, leadMs].slice(-samplesMax);
    }
  }

  snapshot(): readonly number[] {
    return this.#leadsMs;
  }
}
