/** When instances that could not be started are tried again: ever later, until one starts. */

const firstMs = 30_000;
const lastMs = 600_000;

export class StartTrouble {
  #failures = 0;
  #untilMs = 0;
  #reason: string | null = null;

  /** Why nothing more is started now; null where it may be tried. */
  at(wallMs: number): { readonly reason: string; readonly retryInMs: number } | null {
    return this.#reason === null || wallMs >= this.#untilMs ? null : { reason: this.#reason, retryInMs: this.#untilMs - wallMs };
  }

  /** Told at each look; answers whether nothing more may be started from now on. `isWhole`: all that are wanted serve. */
  seen(reason: string | null, isWhole: boolean, wallMs: number): boolean {
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
