/** The objective that each endpoint's answers are judged by, and since when: it stands in its row, so that a restart changes nothing of it. */
import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../errors.ts';
import type { Log } from '../monitoring/index.ts';
import type { Objective } from '../objective.ts';
import { keyOf } from '../registry/index.ts';
import type { Database } from '../storage/index.ts';
import type { DesiredEndpoint } from './desired.ts';
import { type ServedObjective, updateServedObjective } from './endpoint-rows.ts';

type Promising = Pick<DesiredEndpoint, 'config' | 'createdAtMs'>;

export class ServedObjectives {
  readonly #needs: { readonly db: Database; readonly log: Log };
  /** By lower-case name. */
  readonly #known = new Map<string, ServedObjective>();

  constructor(needs: { readonly db: Database; readonly log: Log }) {
    this.#needs = needs;
  }

  /** An endpoint of the server before, with what that one served last; null where it served nothing, or was too old to keep it. */
  takeUp({ config }: Promising, served: ServedObjective | null): void {
    if (served !== null) this.#known.set(keyOf(config.name), served);
  }

  /** It is served with its objective from then on (epoch milliseconds). Its calls are to come one after the other. Never throws. */
  async served({ config: { name, objective }, createdAtMs }: Promising, atMs: number): Promise<void> {
    const known = this.#known.get(keyOf(name));
    if (known !== undefined && isSame(known.objective, objective)) return;
    // Of what served before this was kept, no other objective is known.
    const now = { objective, sinceMs: known === undefined ? createdAtMs : atMs };
    this.#known.set(keyOf(name), now);
    try {
      await updateServedObjective(this.#needs.db, name, now);
    } catch (error) {
      // After a restart it is told to have had the objective since then.
      this.#needs.log.warn({ endpoint: name, error: messageOf(error) }, 'it could not be kept since when an endpoint has its objective');
    }
  }

  /** Epoch milliseconds; infinite for as long as it is not served with the objective that it is to have. */
  sinceMs({ config: { name, objective }, createdAtMs }: Promising): number {
    const known = this.#known.get(keyOf(name));
    if (known === undefined) return createdAtMs;
    return isSame(known.objective, objective) ? known.sinceMs : Number.POSITIVE_INFINITY;
  }

  forget(endpoint: string): void {
    this.#known.delete(keyOf(endpoint));
  }
}

function isSame(left: Objective | null, right: Objective | null): boolean {
  return isDeepStrictEqual(left, right);
}
