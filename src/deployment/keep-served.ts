/** What has all requests now is written down as what one may go back to; where nobody watched it come, it is told. */
import { messageOf } from '../errors.ts';
import type { Events, Log } from '../monitoring/index.ts';
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

  /** For a new generation: whoever loads it later has not asked for it. */
  asked({ config, generation }: Generation, who: string): void {
    this.#asked.set(keyOf(config.name), { generation, who });
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

  /**
   * Nobody goes back to versions of a group that is deleted, nor takes those of a later one of its name for them. What it answers is to
   * be called once the transaction is committed.
   */
  async forgetGroup(group: string, tx: Transaction): Promise<() => void> {
    const written: StoredEndpoint[] = [];
    for (const { config, history: known } of await readRows(tx)) {
      if (withoutGroup(known, group) === known) continue;
      const stored = await lockRow(tx, config.name);
      if (stored === undefined) continue;
      const without = { ...stored, history: withoutGroup(stored.history, group) };
      await updateHistory(tx, without);
      written.push(without);
    }
    return () => {
      for (const endpoint of written) this.#needs.remember(endpoint);
    };
  }

  async #keep({ config: { name }, generation }: Generation): Promise<void> {
    const { db, events, remember } = this.#needs;
    const asked = this.#asked.get(keyOf(name));
    const kept = await inTransaction(db, async (tx) => {
      const stored = await lockRow(tx, name);
      // Something else is wanted meanwhile.
      if (stored?.generation !== generation || isUnderWay(stored.rollout)) return null;
      const history = withKept(stored.history, stored.config);
      if (history === stored.history) return null;
      const endpoint = { ...stored, history };
      await updateHistory(tx, endpoint);
      // What was watched was kept before, with its last step, and what is gone back to long ago.
      const isNew = !isNewest(stored.history, stored.config.variants);
      const who = asked?.generation === generation ? asked.who : null;
      return { endpoint, event: isNew ? await events.record(tx, deployedEvent(stored, who)) : null };
    });
    if (kept === null) return;
    remember(kept.endpoint);
    if (kept.event !== null) events.publish(kept.event);
  }
}
