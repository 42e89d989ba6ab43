/**
 * Decides whether functions may take requests that overflow from instances. Shut if a budget is exhausted, or while too many of
 * their calls fail.
 */

import type { PoolContext } from '../executor-pool.ts';
import { CircuitBreaker, openMs } from './circuit-breaker.ts';
import { HourlySpending } from './hourly-spending.ts';

/** The part of a budget shared with instances that functions may still spend. */
export interface SharedBudget {
  /** US dollars that may be spent from now on, during the next `forMs`. */
  readonly usd: number;
  readonly forMs: number;
  /** The budget of the clock hour for all executors, used in messages. */
  readonly usdPerHourMax: number;
}

/**
 * After exhaustion, functions resume only if at least this share of the hourly budget is available, or in the next hour. Smaller
 * amounts would be spent at once.
 */
const resumeShare = 0.01;

export class OverflowGate {
  readonly #context: PoolContext;
  readonly #onShut: (reason: string | null) => void;
  readonly #spending = new HourlySpending();
  readonly #breaker = new CircuitBreaker();
  #sharedBudget: { remainingUsd: number; readonly untilMs: number; readonly usdPerHourMax: number } | null = null;
  /** Whether the shared budget was used up. */
  #isUsedUp = false;
  /** The reason as last reported; null while open. */
  #lastReportedReason: string | null = null;

  /** `onShut` is called with the reason when functions stop taking requests, and with null when they resume. */
  constructor(context: PoolContext, onShut: (reason: string | null) => void) {
    this.#context = context;
    this.#onShut = onShut;
  }

  /** Why functions currently accept no requests; null if they do. */
  get reason(): string | null {
    const nowMs = this.#context.clock.nowMs();
    const { late, functions } = this.#context.settings;
    const instead = late === 'shed' ? 'requests that instances cannot finish in time are rejected' : 'requests wait for instances';
    if (this.#breaker.isOpen(nowMs))
      return `functions are paused for ${openMs / 1000} s because most of their recent calls failed: ${instead}`;
    if (this.#isOverBudget(nowMs)) return `the overflow budget of $${functions?.usdPerHourMax} per hour is exhausted: ${instead}`;
    if (this.#sharedBudget === null || !this.#isOverSharedBudget(nowMs)) return null;
    const { usdPerHourMax, untilMs } = this.#sharedBudget;
    // Rounded to the minute, because the two clocks may differ slightly: the hour ends on the full hour.
    const until = new Date(this.#context.clock.wallMs() + untilMs - nowMs + 30_000).toISOString().slice(11, 16);
    return `the budget of $${usdPerHourMax} for this hour leaves nothing for functions until ${until} UTC: ${instead}`;
  }

  /** Called for each request that instances cannot finish in time. Reports a change of state to `onShut`. */
  isShut(nowMs: number): boolean {
    const isShut = this.#breaker.isOpen(nowMs) || this.#isOverBudget(nowMs) || this.#isOverSharedBudget(nowMs);
    if (isShut !== (this.#lastReportedReason !== null)) {
      this.#lastReportedReason = isShut ? this.reason : null;
      this.#onShut(this.#lastReportedReason);
    }
    return isShut;
  }

  /** Sets the shared budget from now on, replacing the previous one. null: only the limits of the functions themselves apply. */
  allow(bucket: SharedBudget | null): void {
    const nowMs = this.#context.clock.nowMs();
    const isShut = this.#isOverSharedBudget(nowMs);
    this.#sharedBudget = null;
    if (bucket === null) return;
    const { usd, forMs, usdPerHourMax } = bucket;
    this.#sharedBudget = { remainingUsd: usd, untilMs: nowMs + forMs, usdPerHourMax };
    this.#isUsedUp = usd <= 0 || (isShut && usd < resumeShare * usdPerHourMax);
  }

  isBudgetSpent(usd: number): void {
    this.#spending.spend(usd, this.#context.clock.nowMs());
    if (this.#sharedBudget === null) return;
    this.#sharedBudget.remainingUsd -= usd;
    this.#isUsedUp ||= this.#sharedBudget.remainingUsd <= 0;
  }

  /** Records the result of a function's run or start. */
  called(isOk: boolean): void {
    this.#breaker.called(isOk, this.#context.clock.nowMs());
  }

  #isOverBudget(nowMs: number): boolean {
    const usdMax = this.#context.settings.functions?.usdPerHourMax ?? null;
    return usdMax !== null && this.#spending.usd(nowMs) >= usdMax;
  }

  #isOverSharedBudget(nowMs: number): boolean {
    return this.#sharedBudget !== null && this.#isUsedUp && nowMs < this.#sharedBudget.untilMs;
  }
}
