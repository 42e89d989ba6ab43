/** How long instances take from the wish to the first batch: the median of the last that were seen to start. */
import type { SeenInstance } from './scaled-variant.ts';

const kept = 20;
/** Nobody takes longer: the clock was set meanwhile. */
const longestMs = 3_600_000;
/** What is expected before one was seen. */
const unseenMs = 2000;

export class LeadTimes {
  readonly #leastMs: number;
  #leadsMs: readonly number[];
  readonly #counted = new Map<string, number>();

  constructor(leastMs: number, leadsMs: readonly number[]) {
    this.#leastMs = leastMs;
    this.#leadsMs = leadsMs;
  }

  get medianMs(): number {
    const sorted = this.#leadsMs.toSorted((a, b) => a - b);
    return Math.max(this.#leastMs, sorted[Math.floor(sorted.length / 2)] ?? unseenMs);
  }

  /** Those whose process was started anew tell nothing. */
  seen(instances: readonly SeenInstance[]): void {
    const present = new Set(instances.map(({ id }) => id));
    for (const id of this.#counted.keys()) if (!present.has(id)) this.#counted.delete(id);
    for (const { id, startedAtMs, readyAtMs, restarts } of instances) {
      if (readyAtMs === null || restarts > 0 || this.#counted.get(id) === startedAtMs) continue;
      this.#counted.set(id, startedAtMs);
      const leadMs = readyAtMs - startedAtMs;
      if (leadMs >= 0 && leadMs <= longestMs) this.#leadsMs = [...this.#leadsMs, leadMs].slice(-kept);
    }
  }

  snapshot(): readonly number[] {
    return this.#leadsMs;
  }
}
