/**
 * Decides whether functions may take requests that overflow from instances. Shut if a budget is exhausted, or while too many of
 * their calls fail.
 */

import type { PoolContext } from '../executor-pool.ts';

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

/** While it is shut, requests wait for instances, or under `late: shed` are rejected. */
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

/** Stops calls to failing functions for 10 s after more than half of the last 20 calls failed. */
const calls = 20;
const failuresMax = 10;
const openMs = 10_000;

class CircuitBreaker {
  readonly #failed: boolean[] = [];
  #failures = 0;
  #closesAtMs = Number.NEGATIVE_INFINITY;

  isOpen(nowMs: number): boolean {
    return nowMs < this.#closesAtMs;
  }

  /** Records the result of a call; may open the breaker. */
  called(isOk: boolean, nowMs: number): void {
    this.#failed.push(!isOk);
    if (!isOk) this.#failures++;
    if (this.#failed.length > calls && this.#failed.shift() === true) this.#failures--;
    if (this.#failed.length < calls || this.#failures <= failuresMax) return;
    this.#closesAtMs = nowMs + openMs;
    // Results before the pause do not count towards the next one.
    this.#failed.length = 0;
    this.#failures = 0;
  }
}

/** Spending of the last 60 minutes, by minute. A sliding window, so an hourly budget cannot be spent twice around a full hour. */
const minutes = 60;
const minuteMs = 60_000;

class HourlySpending {
  readonly #usd = new Float64Array(minutes);
  #minute = 0;

  spend(usd: number, nowMs: number): void {
    this.#turnTo(nowMs);
    this.#usd[this.#minute % minutes] = (this.#usd[this.#minute % minutes] as number) + usd;
  }

  usd(nowMs: number): number {
    this.#turnTo(nowMs);
    let sum = 0;
    for (const usd of this.#usd) sum += usd;
    return sum;
  }

  /** Moves to the current minute and clears the minutes since the last call. */
  #turnTo(nowMs: number): void {
    const minute = Math.floor(nowMs / minuteMs);
    if (minute - this.#minute >= minutes) this.#usd.fill(0);
    else while (this.#minute < minute) this.#usd[++this.#minute % minutes] = 0;
    this.#minute = minute;
  }
}
