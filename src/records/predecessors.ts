/** Previous endpoints of the same name. Data stored under the name in coarse slots can belong to them in part. */
import type { Events } from './events.ts';

/** More than the endpoints of a server. */
const namesMax = 10_000;

/** Caches its results, which never change. */
export class Predecessors {
  readonly #events: Pick<Events, 'lastOf'>;
  readonly #known = new Map<string, { readonly createdAtMs: number; readonly removedAtMs: number | null }>();

  constructor(events: Pick<Events, 'lastOf'>) {
    this.#events = events;
  }

  /** When the previous endpoint of that name (case-insensitive) was deleted, epoch milliseconds; null if none is known. */
  async removedBefore(name: string, createdAtMs: number): Promise<number | null> {
    const known = this.#known.get(name);
    if (known?.createdAtMs === createdAtMs) return known.removedAtMs;
    const removedAtMs = (await this.#events.lastOf('endpoint.deleted', name, createdAtMs))?.atMs ?? null;
    if (this.#known.size >= namesMax) this.#known.clear();
    this.#known.set(name, { createdAtMs, removedAtMs });
    return removedAtMs;
  }
}
