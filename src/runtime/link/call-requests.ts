/** The requests of the last calls of a worker. A line that a call printed may arrive after its answer, so answered ones stay for a while. */

/** Lines arrive at most some calls late. */
const callsMax = 256;

/** Bounded: beyond the limit, the oldest call is forgotten. */
export class CallRequests {
  readonly #ids = new Map<number, readonly string[]>();

  /** The ids of the requests of a call; empty if they are no longer known. */
  of(call: number | null): readonly string[] {
    return (call === null ? undefined : this.#ids.get(call)) ?? [];
  }

  add(call: number, requestIds: readonly string[]): void {
    if (requestIds.length === 0) return;
    this.#ids.set(call, requestIds);
    if (this.#ids.size <= callsMax) return;
    for (const oldest of this.#ids.keys()) {
      this.#ids.delete(oldest);
      return;
    }
  }
}
