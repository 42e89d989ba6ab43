/** Endpoints that had a name before the one that has it now: what is kept under the name by hours, minutes or seconds may be theirs in part. */
import type { Events } from './events.ts';

/** More than a server has endpoints. */
const namesMost = 10_000;

/** When the last one was deleted that had the name before, epoch milliseconds; null where none is remembered. */
export async function goneBefore(events: Pick<Events, 'recent'>, name: string, createdAtMs: number): Promise<number | null> {
  const [gone] = await events.recent({ subjects: [name], kinds: ['endpoint.deleted'], untilMs: createdAtMs, limit: 1 });
  return gone?.atMs ?? null;
}

/** The same for who asks again and again: it does not change. */
export class Predecessors {
  readonly #events: Pick<Events, 'recent'>;
  readonly #known = new Map<string, { readonly createdAtMs: number; readonly goneMs: number | null }>();

  constructor(events: Pick<Events, 'recent'>) {
    this.#events = events;
  }

  async goneBefore(name: string, createdAtMs: number): Promise<number | null> {
    const known = this.#known.get(name);
    if (known?.createdAtMs === createdAtMs) return known.goneMs;
    const goneMs = await goneBefore(this.#events, name, createdAtMs);
    if (this.#known.size >= namesMost) this.#known.clear();
    this.#known.set(name, { createdAtMs, goneMs });
    return goneMs;
  }
}
