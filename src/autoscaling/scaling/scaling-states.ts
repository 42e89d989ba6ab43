/** Stores the state of scaling decisions across restarts. The state of a variant is deleted with its endpoint. */

import type { Clock } from '../../clock.ts';
import { nameKey } from '../../names.ts';
import { type Database, isForeignKeyViolation } from '../../storage/index.ts';

/** One row per variant. Its content belongs to the caller, which checks it after reading. */
export class ScalingStates {
  readonly #db: Database;
  readonly #clock: Clock;

  constructor(db: Database, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
  }

  /** The stored state as parsed JSON; null if there is none or it is unreadable. */
  async read(endpoint: string, variant: string): Promise<unknown> {
    const row = await this.#db
      .selectFrom('scaling_states')
      .select('state')
      .where('endpoint_key', '=', nameKey(endpoint))
      .where('variant_key', '=', nameKey(variant))
      .executeTakeFirst();
    if (row === undefined) return null;
    try {
      return JSON.parse(row.state) as unknown;
    } catch {
      return null;
    }
  }

  /** Stores the state. Does nothing if the endpoint has been deleted. */
  async write(endpoint: string, variant: string, state: unknown): Promise<void> {
    const value = { state: JSON.stringify(state), updated_at: this.#clock.wallMs() };
    const names = { endpoint_key: nameKey(endpoint), variant_key: nameKey(variant) };
    await this.#db
      .insertInto('scaling_states')
      .values({ ...names, ...value })
      .onConflict((row) => row.columns(['endpoint_key', 'variant_key']).doUpdateSet(value))
      .execute()
      .catch((error: unknown) => {
        if (!isForeignKeyViolation(error)) throw error;
      });
  }
}
