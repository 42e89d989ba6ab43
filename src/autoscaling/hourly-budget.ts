/** What a variant has cost in the present hour of the clock, from a sum that only rises while a server lives. */
import type { Budget } from './strategies/observation.ts';

const hourMs = 3_600_000;

export class HourlyBudget {
  #hour: number;
  #spentUsd: number;
  #isTold: boolean;
  /** The sum when it was looked at last; null before the first time. */
  #seenUsd: number | null = null;

  constructor(kept: HourSpent | null) {
    this.#hour = kept?.hour ?? -1;
    this.#spentUsd = kept?.spentUsd ?? 0;
    this.#isTold = kept?.isTold ?? false;
  }

  /** A clock that is set back into an hour of before gives no money back. */
  seen(sumUsd: number, wallMs: number): void {
    const hour = Math.floor(wallMs / hourMs);
    if (hour > this.#hour) this.#spentUsd = 0;
    this.#hour = hour;
    if (!Number.isFinite(sumUsd)) return;
    this.#spentUsd += Math.max(0, sumUsd - (this.#seenUsd ?? sumUsd));
    this.#seenUsd = sumUsd;
  }

  /** null without a limit. */
  at(usdMax: number | null, wallMs: number): Budget | null {
    return usdMax === null ? null : { usdMax, spentUsd: this.#spentUsd, remainingMs: hourMs - (wallMs % hourMs) };
  }

  /** Whether the money has run out, or there is some again, since last asked; null where neither is news. */
  news(usdMax: number | null): 'spent' | 'renewed' | null {
    const isSpent = usdMax !== null && this.#spentUsd >= usdMax;
    if (isSpent === this.#isTold) return null;
    this.#isTold = isSpent;
    return isSpent ? 'spent' : 'renewed';
  }

  snapshot(): HourSpent {
    return { hour: this.#hour, spentUsd: this.#spentUsd, isTold: this.#isTold };
  }
}

export interface HourSpent {
  /** Hours since the epoch. */
  readonly hour: number;
  readonly spentUsd: number;
  /** That it is spent; left out in what was kept by a server of before. */
  readonly isTold?: boolean;
}
