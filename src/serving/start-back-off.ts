/** When another start may be tried after one has failed: ever later, and as soon as one succeeds, at once again. */
import type { Clock } from '../clock.ts';

const firstMs = 1000;
const lastMs = 30_000;

export class StartBackOff {
  readonly #clock: Clock;
  readonly #onOver: () => void;
  #failures = 0;
  #untilMs = 0;
  #reason = '';
  #cancel: () => void = () => {};

  /** `onOver` is called when the next start may be tried. */
  constructor(clock: Clock, onOver: () => void) {
    this.#clock = clock;
    this.#onOver = onOver;
  }

  get failure(): { readonly reason: string; readonly retryAfterMs: number } | null {
    if (this.mayStart()) return null;
    return { reason: this.#reason, retryAfterMs: this.#untilMs - this.#clock.nowMs() };
  }

  mayStart(): boolean {
    return this.#failures === 0 || this.#clock.nowMs() >= this.#untilMs;
  }

  /** Several that fail together count as one failure. */
  failed(reason: string): void {
    this.#reason = reason;
    if (!this.mayStart()) return;
    const waitMs = Math.min(lastMs, firstMs * 2 ** this.#failures++);
    this.#untilMs = this.#clock.nowMs() + waitMs;
    this.#cancel();
    this.#cancel = this.#clock.after(waitMs, () => this.#onOver());
  }

  succeeded(): void {
    this.#failures = 0;
    this.#cancel();
  }

  close(): void {
    this.#cancel();
  }
}
