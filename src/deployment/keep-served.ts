/** What has all requests now is written down as what one may go back to; where nobody watched it come, it is told. */
import { messageOf } from '../errors.ts';
import type { Events, Log, PlatformEvent } from '../monitoring/index.ts';
import { keyOf } from '../registry/index.ts';
import { type Database, inTransaction, type Transaction } from '../storage/index.ts';
import type { DesiredEndpoint } from './desired.ts';
import { lockRow, readRows, type StoredEndpoint, updateHistory } from './endpoint-rows.ts';
import { isUnderWay } from './rollout.ts';
import { deployedEvent } from './update-events.ts';
import { isNewest, withKept, withoutGroup } from './version-history.ts';

type Generation = Pick<DesiredEndpoint, 'config' | 'generation'>;

export interface KeptVersionsNeeds {
  readonly db: Database;
  readonly events: Events;
  readonly log: Log;
  /** The history of a generation is another now. */
  readonly remember: (endpoint: StoredEndpoint) => void;
}

export class KeptVersions {
  readonly #needs: KeptVersionsNeeds;
  /** By lower-case name: who asked for the latest generation. Not known after a restart. */
  readonly #asked = new Map<string, { readonly generation: number; readonly who: string }>();

  constructor(needs: KeptVersionsNeeds) {
    this.#needs = needs;
  }

  asked({ config, generation }: Generation, who: string): void {
    const key = keyOf(config.name);
    if (this.#asked.get(key)?.generation !== generation) this.#asked.set(key, { generation, who });
  }

  forget(endpoint: string): void {
    this.#asked.delete(keyOf(endpoint));
  }

  /** Where that is not written for a kill, it is when it is served again. Never throws. */
  async keep(endpoint: Generation): Promise<void> {
    try {
      await this.#keep(endpoint);
    } catch (error) {
      const of = { endpoint: endpoint.config.name, error: messageOf(error) };
      this.#needs.log.error(of, 'what serves could not be kept to go back to');
    }
  }

  /** Nobody goes back to versions of a group that is deleted, nor takes those of a later one of its name for them. */
  async forgetGroup(group: string, tx: Transaction): Promise<void> {
    for (const { config, history: known } of await readRows(tx)) {
      if (withoutGroup(known, group) === known) continue;
      const stored = await lockRow(tx, config.name);
      if (stored !== undefined) await this.#write(tx, { ...stored, history: withoutGroup(stored.history, group) });
    }
  }

  async #keep({ config: { name }, generation }: Generation): Promise<void> {
    const { db, events } = this.#needs;
    const asked = this.#asked.get(keyOf(name));
    let event: PlatformEvent | null = null;
    await inTransaction(db, async (tx) => {
      const stored = await lockRow(tx, name);
      // Something else is wanted meanwhile.
      if (stored?.generation !== generation || isUnderWay(stored.rollout)) return;
      const history = withKept(stored.history, stored.config.variants);
      if (history === stored.history) return;
      await this.#write(tx, { ...stored, history });
      // What was watched was kept before, with its last step, and what is gone back to long ago.
      const isNew = !isNewest(stored.history, stored.config.variants);
      if (isNew) event = await events.record(tx, deployedEvent(stored, asked?.generation === generation ? asked.who : null));
    });
    if (event !== null) events.publish(event);
  }

  async #write(tx: Transaction, endpoint: StoredEndpoint): Promise<void> {
    await updateHistory(tx, endpoint);
    this.#needs.remember(endpoint);
  }
}
