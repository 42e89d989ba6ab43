/** Endpoints that had a name before the one that has it now: what is kept under the name by hours, minutes or seconds may be theirs in part. */
import type { Events } from './events.ts';

/** More than a server has endpoints. */
const namesMost = 10_000;

/** Remembers what it found, since that does not change. */
export class Predecessors {
  readonly #events: Pick<Events, 'lastOf'>;
  readonly #known = new Map<string, { readonly createdAtMs: number; readonly goneMs: number | null }>();

  constructor(events: Pick<Events, 'lastOf'>) {
    this.#events = events;
  }

  /** When the last one was deleted that had the name before, in whatever case, epoch milliseconds; null where none is remembered. */
  async goneBefore(name: string, createdAtMs: number): Promise<number | null> {
    const known = this.#known.get(name);
    if (known?.createdAtMs === createdAtMs) return known.goneMs;
    const goneMs = (await this.#events.lastOf('endpoint.deleted', name, createdAtMs))?.atMs ?? null;
    if (this.#known.size >= namesMost) this.#known.clear();
    this.#known.set(name, { createdAtMs, goneMs });
    return goneMs;
  }
}
