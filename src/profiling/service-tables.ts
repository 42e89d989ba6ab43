/** The service times that dispatch works with, one table for each model version and kind of executor, at hand without waiting. */
import { messageOf } from '../errors.ts';
import type { Log } from '../monitoring/index.ts';
import { keyOf, type ModelVersion } from '../registry/index.ts';
import type { FunctionProfiles } from './function-profiles.ts';
import type { Profile } from './profile.ts';
import type { MeasuredProfile, Profiles } from './profiles.ts';
import { type KnownPoint, ServiceTable } from './service-table.ts';

type Named = Pick<ModelVersion, 'group' | 'version'>;

export interface ServiceTablesOptions {
  readonly profiles: Pick<Profiles, 'get' | 'onMeasured'>;
  /** Without it nothing is known of functions. */
  readonly functions?: Pick<FunctionProfiles, 'of'>;
  readonly log: Log;
}

interface Entry {
  readonly executor: string;
  table: ServiceTable;
  /** What the table was made from; one that has not changed stays, with what it has observed since. */
  origin: string;
}

/** Service times of an executor as they were while it served. */
export interface ServedTimes {
  readonly executor: string;
  readonly batchMax: number;
  /** Batches since the server started. */
  readonly batches: number;
  /** Of a size that was served too seldom: as measured. */
  readonly service: readonly KnownPoint[];
}

/** Fewer batches of a size say less than its measurement. */
const servedLeast = 50;

export class ServiceTables {
  readonly #options: ServiceTablesOptions;
  /** By version, then by executor. */
  readonly #entries = new Map<string, Map<string, Entry>>();
  readonly #listeners = new Set<(version: Named) => void>();

  constructor(options: ServiceTablesOptions) {
    this.#options = options;
    options.profiles.onMeasured((measured) => this.#measured(measured));
  }

  /**
   * What is known now. Asked for the first time that is nothing (b = 1): a profile measured earlier is fetched, and
   * the listeners are told when it is there. `executor` is `instance:local.1` or `function:2048`.
   */
  tableOf(version: Named, executor: string): ServiceTable {
    const entries = this.#entriesOf(version);
    let entry = entries.get(executor);
    if (entry === undefined) {
      entry = { executor, table: new ServiceTable(null), origin: '' };
      entries.set(executor, entry);
      void this.#fetch(version, executor);
    }
    return entry.table;
  }

  /** Of each executor that has served the version often enough to tell. */
  served(version: Named): ServedTimes[] {
    return [...this.#entriesOf(version).values()]
      .filter(({ table }) => table.served >= servedLeast)
      .map(({ executor, table }) => ({ executor, batchMax: table.batchMax, batches: table.served, service: table.points(servedLeast) }));
  }

  /** Called with the version of which more is known now; ask `tableOf` again. */
  onChange(listener: (version: Named) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #fetch(version: Named, executor: string): Promise<void> {
    try {
      if (isFunction(executor)) return await this.#fetchFunctions(version);
      const profile = await this.#options.profiles.get(version.group, version.version, executor);
      if (profile !== null) this.#learn(version, profile, '');
    } catch (error) {
      this.#options.log.warn(
        { model: `${version.group}/${version.version}`, executor, error: messageOf(error) },
        'a profile could not be read: batches of one until it is measured',
      );
    }
  }

  /** What one size is learnt from may be the measurement of another: all that are in use are looked at. */
  async #fetchFunctions(version: Named): Promise<void> {
    const sizes = (await this.#options.functions?.of(version)) ?? [];
    const entries = this.#entriesOf(version);
    for (const { profile, basis } of sizes) if (entries.has(profile.executor)) this.#learn(version, profile, basis);
  }

  #measured({ group, version, profile }: MeasuredProfile): void {
    if (!isFunction(profile.executor)) this.#learn({ group, version }, profile, '');
    for (const executor of this.#entriesOf({ group, version }).keys()) {
      if (isFunction(executor)) return void this.#fetch({ group, version }, executor);
    }
  }

  #learn({ group, version }: Named, profile: Profile, basis: string): void {
    const entries = this.#entriesOf({ group, version });
    const origin = `${basis} ${profile.measuredAtMs}`;
    const before = entries.get(profile.executor);
    if (isFunction(profile.executor) && before?.origin === origin) return;
    const table = new ServiceTable(profile);
    // What was seen before anything was measured began with runs that are always slow.
    if (before !== undefined && before.origin !== '') table.takeServed(before.table, servedLeast);
    entries.set(profile.executor, { executor: profile.executor, table, origin });
    for (const listener of this.#listeners) listener({ group, version });
  }

  #entriesOf({ group, version }: Named): Map<string, Entry> {
    const key = `${keyOf(group)}/${version}`;
    let entries = this.#entries.get(key);
    if (entries === undefined) {
      entries = new Map();
      this.#entries.set(key, entries);
    }
    return entries;
  }
}

function isFunction(executor: string): boolean {
  return executor.startsWith('function:');
}
