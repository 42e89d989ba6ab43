/** The objective that each endpoint's responses are judged by, and since when. Stored in the endpoint's row, so it survives restarts. */
import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import { nameKey } from '../../names.ts';
import type { Objective } from '../../objective.ts';
import type { Database } from '../../storage/index.ts';
import { type ServedObjective, updateServedObjective } from '../endpoint-rows.ts';
import type { DesiredEndpoint } from '../reconcile/desired.ts';

type Endpoint = Pick<DesiredEndpoint, 'config' | 'createdAtMs'>;

/** Remembers since when an objective is in force, so a change of it does not judge earlier responses by the new one. */
export class ServedObjectives {
  readonly #deps: { readonly db: Database; readonly log: Log };
  /** By lower-case name. */
  readonly #known = new Map<string, ServedObjective>();

  constructor(deps: { readonly db: Database; readonly log: Log }) {
    this.#deps = deps;
  }

  /** Resumes an endpoint after a restart. `served` is null if it was never served, or an older server did not store it. */
  resume({ config }: Endpoint, served: ServedObjective | null): void {
    if (served !== null) this.#known.set(nameKey(config.name), served);
  }

  /** The endpoint is served with its objective from this time on (epoch milliseconds). Calls must not overlap. Never throws. */
  async served({ config: { name, objective }, createdAtMs }: Endpoint, atMs: number): Promise<void> {
    const known = this.#known.get(nameKey(name));
    if (known !== undefined && isSame(known.objective, objective)) return;
    // Older servers did not store it: then assume that this objective has applied since the endpoint was created.
    const now = { objective, sinceMs: known === undefined ? createdAtMs : atMs };
    this.#known.set(nameKey(name), now);
    try {
      await updateServedObjective(this.#deps.db, name, now);
    } catch (error) {
      // After a restart, the objective will count from that restart.
      this.#deps.log.warn({ endpoint: name, error: messageOf(error) }, 'failed to store since when an endpoint has its objective');
    }
  }

  /** Epoch milliseconds; infinite until it is served with its desired objective. */
  sinceMs({ config: { name, objective }, createdAtMs }: Endpoint): number {
    const known = this.#known.get(nameKey(name));
    if (known === undefined) return createdAtMs;
    return isSame(known.objective, objective) ? known.sinceMs : Number.POSITIVE_INFINITY;
  }

  discard(endpoint: string): void {
    this.#known.delete(nameKey(endpoint));
  }
}

function isSame(left: Objective | null, right: Objective | null): boolean {
  return isDeepStrictEqual(left, right);
}
