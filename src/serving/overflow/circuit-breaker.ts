/** Stops calls to failing functions for 10 s after more than half of the last 20 calls failed. */
const calls = 20;
const failuresMax = 10;
export const openMs = 10_000;

export class CircuitBreaker {
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
