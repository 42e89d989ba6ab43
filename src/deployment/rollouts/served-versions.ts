/** Stores the versions that receive all requests, for later rollbacks. After an unmonitored update, also records an event. */
import { messageOf } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import { nameKey } from '../../names.ts';
import type { Events } from '../../records/index.ts';
import { type Database, inTransaction, type Transaction } from '../../storage/index.ts';
import { lockEndpointRow, readEndpointRows, type StoredEndpoint, updateHistory } from '../endpoint-rows.ts';
import type { DesiredEndpoint } from '../reconcile/desired.ts';
import { isUnderWay } from './rollout.ts';
import { versionDeployedEvent } from './update-events.ts';
import { isNewest, withoutGroup, withRetained } from './version-history.ts';

type Generation = Pick<DesiredEndpoint, 'config' | 'generation'>;

export interface ServedVersionsDeps {
  readonly db: Database;
  readonly events: Events;
  readonly log: Log;
  /** The history of a generation changed. */
  readonly onHistoryChange: (endpoint: StoredEndpoint) => void;
}

/** A version counts as served once it receives all requests; one that a rollout rolled back never does. */
export class ServedVersions {
  readonly #deps: ServedVersionsDeps;
  /** By lower-case name: who requested the latest generation. Unknown after a restart. */
  readonly #requests = new Map<string, { readonly generation: number; readonly who: string }>();

  constructor(deps: ServedVersionsDeps) {
    this.#deps = deps;
  }

  /** Call it for new generations only: a user who loads one later did not request it. */
  requested({ config, generation }: Generation, who: string): void {
    this.#requests.set(nameKey(config.name), { generation, who });
  }

  discard(endpoint: string): void {
    this.#requests.delete(nameKey(endpoint));
  }

  /** Never throws. If the server is killed before, the versions are stored when the generation is served again. */
  async store(endpoint: Generation): Promise<void> {
    try {
      await this.#write(endpoint);
    } catch (error) {
      const of = { endpoint: endpoint.config.name, error: messageOf(error) };
      this.#deps.log.error(of, 'failed to store the served versions for rollbacks');
    }
  }

  /**
   * Removes the versions of a deleted group from all histories. A later group of the same name has other versions, and a rollback
   * must not mix them up. Call the returned function after the commit.
   */
  async removeGroup(group: string, tx: Transaction): Promise<() => void> {
    const written: StoredEndpoint[] = [];
    for (const { config, history: known } of await readEndpointRows(tx)) {
      if (withoutGroup(known, group) === known) continue;
      const stored = await lockEndpointRow(tx, config.name);
      if (stored === undefined) continue;
      const without = { ...stored, history: withoutGroup(stored.history, group) };
      await updateHistory(tx, without);
      written.push(without);
    }
    return () => {
      for (const endpoint of written) this.#deps.onHistoryChange(endpoint);
    };
  }

  async #write({ config: { name }, generation }: Generation): Promise<void> {
    const { db, events, onHistoryChange } = this.#deps;
    const requested = this.#requests.get(nameKey(name));
    const retained = await inTransaction(db, async (tx) => {
      const stored = await lockEndpointRow(tx, name);
      // The desired state has changed in the meantime.
      if (stored?.generation !== generation || isUnderWay(stored.rollout)) return null;
      const history = withRetained(stored.history, stored.config);
      if (history === stored.history) return null;
      const endpoint = { ...stored, history };
      await updateHistory(tx, endpoint);
      // Already stored: the versions of a monitored update with its last step, and those of a rollback when they first served.
      const isNew = !isNewest(stored.history, stored.config.variants);
      const who = requested?.generation === generation ? requested.who : null;
      return { endpoint, event: isNew ? await events.record(tx, versionDeployedEvent(stored, who)) : null };
    });
    if (retained === null) return;
    onHistoryChange(retained.endpoint);
    if (retained.event !== null) events.publish(retained.event);
  }
}
