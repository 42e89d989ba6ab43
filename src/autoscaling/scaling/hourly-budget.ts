/** Cost of a variant in the current clock hour, derived from a total that only increases while the server runs. */
import type { Budget } from '../strategies/observation.ts';

const hourMs = 3_600_000;

/** A restart continues with what the snapshot says was spent in the hour; use that no observation saw counts nothing. */
export class HourlyBudget {
  #hour: number;
  #spentUsd: number;
  #isReported: boolean;
  /** The total at the last observation; null before the first one. */
  #observedUsd: number | null = null;

  constructor(retained: HourlySpend | null) {
    this.#hour = retained?.hour ?? -1;
    this.#spentUsd = retained?.spentUsd ?? 0;
    this.#isReported = retained?.isTold ?? false;
  }

  /** Updates the hour's cost from the total. If the clock is set back into an earlier hour, spent money stays spent. */
  observe(sumUsd: number, wallMs: number): void {
    const hour = Math.floor(wallMs / hourMs);
    if (hour > this.#hour) this.#spentUsd = 0;
    this.#hour = hour;
    if (!Number.isFinite(sumUsd)) return;
    this.#spentUsd += Math.max(0, sumUsd - (this.#observedUsd ?? sumUsd));
    this.#observedUsd = sumUsd;
  }

  /** The budget of the current hour; null without a limit. */
  at(usdMax: number | null, wallMs: number): Budget | null {
    return usdMax === null ? null : { usdMax, spentUsd: this.#spentUsd, remainingMs: hourMs - (wallMs % hourMs) };
  }

  /** The change since the last call, if the budget was exhausted or renewed; null otherwise. */
  takeChange(usdMax: number | null): 'exhausted' | 'reset' | null {
    const isExhausted = usdMax !== null && this.#spentUsd >= usdMax;
    if (isExhausted === this.#isReported) return null;
    this.#isReported = isExhausted;
    return isExhausted ? 'exhausted' : 'reset';
  }

  snapshot(): HourlySpend {
    return { hour: this.#hour, spentUsd: this.#spentUsd, isTold: this.#isReported };
  }
}

/** State that survives a restart. */
export interface HourlySpend {
  /** Number of the hour since the epoch. */
  readonly hour: number;
  readonly spentUsd: number;
  /** True if exhaustion was reported; absent in states stored by older versions. */
  readonly isTold?: boolean;
}
