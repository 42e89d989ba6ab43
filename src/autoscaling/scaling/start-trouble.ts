/** Delays retries of failed instance starts, exponentially longer until all instances have started. */

const firstMs = 30_000;
const lastMs = 600_000;

/** Plain state: the scaler passes in the time, so nothing fires by itself. */
export class StartBackOffState {
  #failures = 0;
  #untilMs = 0;
  #reason: string | null = null;

  /** Why no instances are started now; null if starts are allowed. */
  at(wallMs: number): { readonly reason: string; readonly retryInMs: number } | null {
    return this.#reason === null || wallMs >= this.#untilMs ? null : { reason: this.#reason, retryInMs: this.#untilMs - wallMs };
  }

  /** Called at each poll. Returns true if starts are blocked from now on. `isWhole`: all desired instances serve. */
  observe(reason: string | null, isWhole: boolean, wallMs: number): boolean {
    if (this.#untilMs - wallMs > lastMs) this.#untilMs = wallMs; // the clock was set back
    if (this.at(wallMs) !== null) return false;
    if (reason === null) {
      if (isWhole) this.#failures = 0;
      return false;
    }
    this.#reason = reason;
    this.#untilMs = wallMs + Math.min(lastMs, firstMs * 2 ** this.#failures++);
    return true;
  }
}
