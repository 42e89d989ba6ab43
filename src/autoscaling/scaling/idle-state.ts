/**
 * Activity of a variant that can scale to zero and has no functions. Without traffic it becomes idle, and the next request waits
 * for a cold start. Activity is derived from arrivals and the queue.
 */
export class IdleState {
  #desired: number;
  #arrived: number | null = null;
  /** Time of the last traffic. null: the first observation counts as traffic. */
  #requestedAtMs: number | null;

  /** `wanted`: initial number of instances. With 0 the variant starts idle. */
  constructor(wanted: number) {
    this.#desired = wanted;
    this.#requestedAtMs = wanted === 0 ? Number.NEGATIVE_INFINITY : null;
  }

  /** Remembers when there was last something to do. */
  observe(
    { arrived, queue, desired }: { readonly arrived: number; readonly queue: number; readonly desired: number },
    wallMs: number,
  ): void {
    // Traffic before the last instance was removed, manually or by policy, was known at that time and does not count.
    const isSentToRest = desired === 0 && this.#desired > 0;
    if (isSentToRest) this.#requestedAtMs = Number.NEGATIVE_INFINITY;
    const hasCome = !isSentToRest && this.#arrived !== null && arrived > this.#arrived;
    // The last condition is true if the clock was set back.
    if (queue > 0 || hasCome || this.#requestedAtMs === null || this.#requestedAtMs > wallMs) this.#requestedAtMs = wallMs;
    this.#arrived = arrived;
    this.#desired = desired;
  }

  /** True if there was traffic within the last `afterMs`. */
  isActive(afterMs: number, wallMs: number): boolean {
    return this.#requestedAtMs === null || wallMs - this.#requestedAtMs < afterMs;
  }
}
