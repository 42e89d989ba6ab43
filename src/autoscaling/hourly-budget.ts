/** What a variant has cost in the present hour of the clock, from a sum that only rises while a server lives. */
import type { Budget } from './strategies/observation.ts';

const hourMs = 3_600_000;

export class HourlyBudget {
  #hour: number;
  #spentUsd: number;
  /** The sum when it was looked at last; null before the first time. */
  #seenUsd: number | null = null;

  constructor(kept: HourSpent | null) {
    this.#hour = kept?.hour ?? -1;
    this.#spentUsd = kept?.spentUsd ?? 0;
  }

  seen(sumUsd: number, wallMs: number): void {
    const hour = Math.floor(wallMs / hourMs);
    if (hour !== this.#hour) this.#spentUsd = 0;
    this.#hour = hour;
    this.#spentUsd += Math.max(0, sumUsd - (this.#seenUsd ?? sumUsd));
    this.#seenUsd = sumUsd;
  }

  /** null without a limit. */
  at(usdMax: number | null, wallMs: number): Budget | null {
    return usdMax === null ? null : { usdMax, spentUsd: this.#spentUsd, remainingMs: hourMs - (wallMs % hourMs) };
  }

  snapshot(): HourSpent {
    return { hour: this.#hour, spentUsd: this.#spentUsd };
  }
}

export interface HourSpent {
  /** Hours since the epoch. */
  readonly hour: number;
  readonly spentUsd: number;
}
