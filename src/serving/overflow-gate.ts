/** Whether functions may take anything: not once their budget is spent, nor while too many of their calls fail. */
import { CircuitBreaker, openMs } from './circuit-breaker.ts';
import { HourlySpending } from './hourly-spending.ts';
import type { Door } from './side.ts';

/** What functions may still cost, of a budget that they share with instances. */
export interface Allowance {
  /** From now on, until then. */
  readonly usd: number;
  readonly forMs: number;
  /** What all may cost in an hour of the clock, for people. */
  readonly usdPerHourMax: number;
}

/** Once nothing was left, functions take again from so much of the hour's budget on, or in the next: a few cents would be gone at once. */
const resumeShare = 0.01;

export class OverflowGate {
  readonly #door: Door;
  readonly #onShut: (reason: string | null) => void;
  readonly #spending = new HourlySpending();
  readonly #breaker = new CircuitBreaker();
  #allowance: { leftUsd: number; readonly untilMs: number; readonly usdPerHourMax: number } | null = null;
  /** The allowance was used up. */
  #isUsedUp = false;
  /** As last told. */
  #told: string | null = null;

  /** `onShut` is told when they take nothing any more, and why, and with null when they do again. */
  constructor(door: Door, onShut: (reason: string | null) => void) {
    this.#door = door;
    this.#onShut = onShut;
  }

  /** Why functions take nothing at present; null where they do. */
  get reason(): string | null {
    const nowMs = this.#door.clock.nowMs();
    const { late, functions } = this.#door.settings;
    const instead = late === 'shed' ? 'what instances cannot finish in time is refused' : 'requests wait for instances';
    if (this.#breaker.isOpen(nowMs)) return `functions take nothing for ${openMs / 1000} s, most of their last calls failed: ${instead}`;
    if (this.#isOverBudget(nowMs)) return `the overflow budget of $${functions?.usdPerHourMax} per hour is spent: ${instead}`;
    if (this.#allowance === null || !this.#isOverAllowance(nowMs)) return null;
    const { usdPerHourMax, untilMs } = this.#allowance;
    // To the nearest minute: the hour is over at the full one, whatever the clocks differ by.
    const until = new Date(this.#door.clock.wallMs() + untilMs - nowMs + 30_000).toISOString().slice(11, 16);
    return `the budget of $${usdPerHourMax} for this hour leaves nothing for functions until ${until} UTC: ${instead}`;
  }

  /** Asked for each request that instances cannot finish in time; that is when a change is told. */
  isShut(nowMs: number): boolean {
    const isShut = this.#breaker.isOpen(nowMs) || this.#isOverBudget(nowMs) || this.#isOverAllowance(nowMs);
    if (isShut !== (this.#told !== null)) {
      this.#told = isShut ? this.reason : null;
      this.#onShut(this.#told);
    }
    return isShut;
  }

  /** So much may be spent from now on, whatever was allowed before; null: no limit but their own. */
  allow(allowance: Allowance | null): void {
    const nowMs = this.#door.clock.nowMs();
    const isShut = this.#isOverAllowance(nowMs);
    this.#allowance = null;
    if (allowance === null) return;
    const { usd, forMs, usdPerHourMax } = allowance;
    this.#allowance = { leftUsd: usd, untilMs: nowMs + forMs, usdPerHourMax };
    this.#isUsedUp = usd <= 0 || (isShut && usd < resumeShare * usdPerHourMax);
  }

  spent(usd: number): void {
    this.#spending.spend(usd, this.#door.clock.nowMs());
    if (this.#allowance === null) return;
    this.#allowance.leftUsd -= usd;
    this.#isUsedUp ||= this.#allowance.leftUsd <= 0;
  }

  /** A function has run a batch, well or not. */
  called(isOk: boolean): void {
    this.#breaker.called(isOk, this.#door.clock.nowMs());
  }

  #isOverBudget(nowMs: number): boolean {
    const usdMax = this.#door.settings.functions?.usdPerHourMax ?? null;
    return usdMax !== null && this.#spending.usd(nowMs) >= usdMax;
  }

  #isOverAllowance(nowMs: number): boolean {
    return this.#allowance !== null && this.#isUsedUp && nowMs < this.#allowance.untilMs;
  }
}
