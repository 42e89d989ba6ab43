/** Keeps requests away from functions that fail: more than half of the last 20 calls, and none is made for 10 s. */
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

  called(isOk: boolean, nowMs: number): void {
    this.#failed.push(!isOk);
    if (!isOk) this.#failures++;
    if (this.#failed.length > calls && this.#failed.shift() === true) this.#failures--;
    if (this.#failed.length < calls || this.#failures <= failuresMax) return;
    this.#closesAtMs = nowMs + openMs;
    // What comes after is judged anew.
    this.#failed.length = 0;
    this.#failures = 0;
  }
}
