/** Whether functions may take anything: not once their budget is spent, nor while too many of their calls fail. */
import { CircuitBreaker, openMs } from './circuit-breaker.ts';
import { HourlySpending } from './hourly-spending.ts';
import type { Door } from './side.ts';

export class OverflowGate {
  readonly #door: Door;
  readonly #onShut: (reason: string | null) => void;
  readonly #spending = new HourlySpending();
  readonly #breaker = new CircuitBreaker();
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
    const { functions, late } = this.#door.settings;
    const instead = late === 'shed' ? 'what instances cannot finish in time is refused' : 'requests wait for instances';
    if (this.#breaker.isOpen(nowMs)) return `functions take nothing for ${openMs / 1000} s, most of their last calls failed: ${instead}`;
    const usdMax = functions?.usdPerHourMax ?? null;
    if (usdMax === null || this.#spending.usd(nowMs) < usdMax) return null;
    return `the overflow budget of $${usdMax} per hour is spent: ${instead}`;
  }

  /** Asked for each request that instances cannot finish in time; that is when a change is told. */
  isShut(nowMs: number): boolean {
    const usdMax = this.#door.settings.functions?.usdPerHourMax ?? null;
    const isShut = this.#breaker.isOpen(nowMs) || (usdMax !== null && this.#spending.usd(nowMs) >= usdMax);
    if (isShut !== (this.#told !== null)) {
      this.#told = isShut ? this.reason : null;
      this.#onShut(this.#told);
    }
    return isShut;
  }

  spent(usd: number): void {
    this.#spending.spend(usd, this.#door.clock.nowMs());
  }

  /** A function has run a batch, well or not. */
  called(isOk: boolean): void {
    this.#breaker.called(isOk, this.#door.clock.nowMs());
  }
}
