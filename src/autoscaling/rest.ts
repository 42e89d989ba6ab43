/**
 * A variant that may have no instance and has no functions: while nobody asks it rests, and whoever asks waits until one has been
 * started. Whether anybody does is told by what has arrived and what waits.
 */
export class Rest {
  #arrived: number | null = null;
  /** null: it is taken for asked when it is first seen. */
  #askedAtMs: number | null;

  /** `wanted`: how many there are when it begins. With none, it has been resting. */
  constructor(wanted: number) {
    this.#askedAtMs = wanted === 0 ? Number.NEGATIVE_INFINITY : null;
  }

  seen(arrived: number, queue: number, wallMs: number): void {
    const isAsked = queue > 0 || (this.#arrived !== null && arrived > this.#arrived);
    if (isAsked || this.#askedAtMs === null || this.#askedAtMs > wallMs) this.#askedAtMs = wallMs; // or the clock was set back
    this.#arrived = arrived;
  }

  /** Whether anybody has asked for that long. */
  isAwake(afterMs: number, wallMs: number): boolean {
    return this.#askedAtMs === null || wallMs - this.#askedAtMs < afterMs;
  }
}
