/** What has all requests now is written down as what one may go back to; where nobody watched it come, it is told. */
import type { Events, PlatformEvent } from '../monitoring/index.ts';
import { keyOf } from '../registry/index.ts';
import { type Database, inTransaction } from '../storage/index.ts';
import type { DesiredEndpoint } from './desired.ts';
import { lockRow, updateHistory } from './endpoint-rows.ts';
import { isUnderWay } from './rollout.ts';
import { deployedEvent } from './update-events.ts';
import { isNewest, type VersionHistory, withKept } from './version-history.ts';

type Generation = Pick<DesiredEndpoint, 'config' | 'generation'>;

export class KeptVersions {
  readonly #db: Database;
  readonly #events: Events;
  /** By lower-case name: who asked for the latest generation. Not known after a restart. */
  readonly #asked = new Map<string, { readonly generation: number; readonly who: string }>();

  constructor({ db, events }: { readonly db: Database; readonly events: Events }) {
    this.#db = db;
    this.#events = events;
  }

  asked({ config, generation }: Generation, who: string): void {
    const key = keyOf(config.name);
    if (this.#asked.get(key)?.generation !== generation) this.#asked.set(key, { generation, who });
  }

  forget(endpoint: string): void {
    this.#asked.delete(keyOf(endpoint));
  }

  /** Answers the history as it is now; null where nothing was new, or something else is wanted meanwhile. */
  async keep({ config: { name }, generation }: Generation): Promise<VersionHistory | null> {
    const asked = this.#asked.get(keyOf(name));
    let event: PlatformEvent | null = null;
    const kept = await inTransaction(this.#db, async (tx) => {
      const stored = await lockRow(tx, name);
      if (stored?.generation !== generation || isUnderWay(stored.rollout)) return null;
      const history = withKept(stored.history, stored.config.variants);
      if (history === stored.history) return null;
      await updateHistory(tx, { ...stored, history });
      // What was watched was kept before, with its last step, and what is gone back to long ago.
      const isNew = !isNewest(stored.history, stored.config.variants);
      if (isNew) event = await this.#events.record(tx, deployedEvent(stored, asked?.generation === generation ? asked.who : null));
      return history;
    });
    if (event !== null) this.#events.publish(event);
    return kept;
  }
}
