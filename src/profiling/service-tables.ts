/** The service times that dispatch works with, one table for each model version and kind of executor, at hand without waiting. */
import { messageOf } from '../errors.ts';
import type { Log } from '../monitoring/index.ts';
import { keyOf, type ModelVersion } from '../registry/index.ts';
import type { MeasuredProfile, Profiles } from './profiles.ts';
import { ServiceTable } from './service-table.ts';

type Named = Pick<ModelVersion, 'group' | 'version'>;

export class ServiceTables {
  readonly #profiles: Pick<Profiles, 'get' | 'onMeasured'>;
  readonly #log: Log;
  readonly #tables = new Map<string, ServiceTable>();
  readonly #listeners = new Set<(version: Named) => void>();

  constructor(profiles: Pick<Profiles, 'get' | 'onMeasured'>, log: Log) {
    this.#profiles = profiles;
    this.#log = log;
    profiles.onMeasured((measured) => this.#learn(measured));
  }

  /**
   * What is known now. Asked for the first time that is nothing (b = 1): a profile measured earlier is fetched, and
   * the listeners are told when it is there.
   */
  tableOf(version: Named, executor: string): ServiceTable {
    const key = tableKey(version, executor);
    let table = this.#tables.get(key);
    if (table === undefined) {
      table = new ServiceTable(null);
      this.#tables.set(key, table);
      void this.#fetch(version, executor);
    }
    return table;
  }

  /** Called with the version of which more is known now; ask `tableOf` again. */
  onChange(listener: (version: Named) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #fetch(version: Named, executor: string): Promise<void> {
    try {
      const profile = await this.#profiles.get(version.group, version.version, executor);
      if (profile !== null) this.#learn({ ...version, profile });
    } catch (error) {
      this.#log.warn(
        { model: `${version.group}/${version.version}`, executor, error: messageOf(error) },
        'a profile could not be read: batches of one until it is measured',
      );
    }
  }

  #learn({ group, version, profile }: MeasuredProfile): void {
    this.#tables.set(tableKey({ group, version }, profile.executor), new ServiceTable(profile));
    for (const listener of this.#listeners) listener({ group, version });
  }
}

function tableKey({ group, version }: Named, executor: string): string {
  return `${keyOf(group)}/${version} ${executor}`;
}
