/** Delays starts after failures. The delay doubles with each failure, up to 30 s; a success resets it. */
import type { Clock } from '../../clock.ts';

const firstMs = 1000;
const lastMs = 30_000;

/** Failures during the delay do not extend it: concurrent starts that fail together count once. */
export class StartBackOff {
  readonly #clock: Clock;
  readonly #onOver: () => void;
  #failures = 0;
  #untilMs = 0;
  #reason = '';
  #cancel: () => void = () => {};

  /** `onOver` is called when the next start is allowed. */
  constructor(clock: Clock, onOver: () => void) {
    this.#clock = clock;
    this.#onOver = onOver;
  }

  /** The last failure and the time until the next start is allowed; null if a start is allowed now. */
  get failure(): { readonly reason: string; readonly retryAfterMs: number } | null {
    if (this.mayStart()) return null;
    return { reason: this.#reason, retryAfterMs: this.#untilMs - this.#clock.nowMs() };
  }

  mayStart(): boolean {
    return this.#failures === 0 || this.#clock.nowMs() >= this.#untilMs;
  }

  /** Records a failed start. Failures during the delay do not extend it. */
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
