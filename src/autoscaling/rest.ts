/**
 * A variant that may have no instance and has no functions: while nobody asks it rests, and whoever asks waits until one has been
 * started. Whether anybody does is told by what has arrived and what waits.
 */
export class Rest {
  #wanted: number;
  #arrived: number | null = null;
  /** null: it is taken for asked when it is first seen. */
  #askedAtMs: number | null;

  /** `wanted`: how many there are when it begins. With none, it has been resting. */
  constructor(wanted: number) {
    this.#wanted = wanted;
    this.#askedAtMs = wanted === 0 ? Number.NEGATIVE_INFINITY : null;
  }

  seen({ arrived, queue, wanted }: { readonly arrived: number; readonly queue: number; readonly wanted: number }, wallMs: number): void {
    // Whoever sent the last one away, by hand or by rule, knew of those who had asked until then.
    const isSentToRest = wanted === 0 && this.#wanted > 0;
    if (isSentToRest) this.#askedAtMs = Number.NEGATIVE_INFINITY;
    const hasCome = !isSentToRest && this.#arrived !== null && arrived > this.#arrived;
    if (queue > 0 || hasCome || this.#askedAtMs === null || this.#askedAtMs > wallMs) this.#askedAtMs = wallMs; // or the clock was set back
    this.#arrived = arrived;
    this.#wanted = wanted;
  }

  /** Whether anybody has asked for that long. */
  isAwake(afterMs: number, wallMs: number): boolean {
    return this.#askedAtMs === null || wallMs - this.#askedAtMs < afterMs;
  }
}
