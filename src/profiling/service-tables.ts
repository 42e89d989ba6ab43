/** Service-time tables for dispatch, by model version and executor. Reads are synchronous. */

import { messageOf } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import { nameKey } from '../names.ts';
import { type ModelVersion } from '../registry/index.ts';
import { compositeProfile } from './composite-profile.ts';
import type { FunctionProfiles } from './function-profiles.ts';
import type { Profile } from './profile.ts';
import type { MeasuredProfile, Profiles } from './profiles.ts';
import { type KnownPoint, ServiceTable } from './service-table.ts';

type Named = Pick<ModelVersion, 'group' | 'version'>;

/** Where profiles come from. */
export interface ServiceTablesOptions {
  readonly profiles: Pick<Profiles, 'get' | 'onMeasured'>;
  /** Profiles of functions. Without them, tables of functions stay unknown. */
  readonly functions?: Pick<FunctionProfiles, 'of'>;
  readonly log: Log;
}

/** A model alone or a cascade, for which times are learnt. */
export interface TimedPlan {
  /** `digits-mlp/1>digits-cnn/1@0.03` */
  readonly name: string;
  /** Versions, such as `digits-mlp/1`. */
  readonly first: string;
  readonly second: string | null;
  /** Share of rows that go on to the second model. */
  readonly escalated: number;
}

interface PlanEntry {
  readonly plan: TimedPlan;
  readonly executor: string;
  table: ServiceTable;
}

interface Entry {
  readonly executor: string;
  table: ServiceTable;
  /** Identifies the source profile. If it is unchanged, the table and its samples are retained. */
  origin: string;
}

/** Service times of an executor, observed while serving. */
export interface ServedTimes {
  readonly executor: string;
  readonly batchMax: number;
  /** Number of batches since the server started. */
  readonly batches: number;
  /** Sizes with too few serving samples have the profiled times instead. */
  readonly service: readonly KnownPoint[];
}

/** Minimum serving samples per size; with fewer, the profile is more accurate. */
const servedLeast = 50;

/** A table is unknown until its profile was read; then its listeners are called. */
export class ServiceTables {
  readonly #options: ServiceTablesOptions;
  /** Entries by version, then by executor. */
  readonly #entries = new Map<string, Map<string, Entry>>();
  /** Cascades, by name and executor. */
  readonly #plans = new Map<string, PlanEntry>();
  readonly #listeners = new Set<(version: Named) => void>();

  constructor(options: ServiceTablesOptions) {
    this.#options = options;
    options.profiles.onMeasured((measured) => this.#measured(measured));
  }

  /**
   * The current table of an executor (`instance:local.1` or `function:2048`). The first call returns an empty table (b = 1) and
   * loads the stored profile in the background; listeners are notified when it is loaded.
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

  /** The same of a plan. Times of a cascade are computed from those of its models, until they are learnt. */
  tableOfPlan(plan: TimedPlan, executor: string): ServiceTable {
    if (plan.second === null) return this.tableOf(namedIn(plan.first), executor);
    const key = `${plan.name} ${executor}`.toLowerCase();
    let entry = this.#plans.get(key);
    if (entry === undefined) {
      entry = { plan, executor, table: new ServiceTable(null) };
      this.#plans.set(key, entry);
      void this.#fetchPlan(entry);
    }
    return entry.table;
  }

  /** Service times of executors with enough served batches. */
  served(version: Named): ServedTimes[] {
    return [...this.#entriesOf(version).values()]
      .filter(({ table }) => table.served >= servedLeast)
      .map(({ executor, table }) => ({ executor, batchMax: table.batchMax, batches: table.served, service: table.points(servedLeast) }));
  }

  /**
   * Calls the listener with each version whose tables changed, so it can read `tableOf` again. Returns a function that
   * unsubscribes.
   */
  onChange(listener: (version: Named) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #fetch(version: Named, executor: string): Promise<void> {
    try {
      if (isFunction(executor)) return await this.#fetchFunctions(version);
      const profile = await this.#options.profiles.get(version.group, version.version, executor);
      if (profile !== null) this.#update(version, profile, '');
    } catch (error) {
      this.#options.log.warn(
        { model: `${version.group}/${version.version}`, executor, error: messageOf(error) },
        'failed to read a profile: batch size 1 until it is measured',
      );
    }
  }

  async #fetchPlan(entry: PlanEntry): Promise<void> {
    const { plan, executor } = entry;
    try {
      const [first, second] = await Promise.all([this.#profileOf(plan.first, executor), this.#profileOf(plan.second ?? '', executor)]);
      if (first === null || second === null) return;
      const table = new ServiceTable(compositeProfile(first, second, plan.escalated));
      table.takeServed(entry.table, servedLeast);
      entry.table = table;
      for (const listener of this.#listeners) listener(namedIn(plan.first));
    } catch (error) {
      this.#options.log.warn({ plan: plan.name, executor, error: messageOf(error) }, 'failed to read the profiles of a plan');
    }
  }

  async #profileOf(name: string, executor: string): Promise<Profile | null> {
    const { group, version } = namedIn(name);
    if (!isFunction(executor)) return this.#options.profiles.get(group, version, executor);
    const sizes = (await this.#options.functions?.of({ group, version })) ?? [];
    return sizes.find(({ profile }) => profile.executor === executor)?.profile ?? null;
  }

  /** Refreshes all used sizes, because a measurement of one size can change the derived profiles of others. */
  async #fetchFunctions(version: Named): Promise<void> {
    const sizes = (await this.#options.functions?.of(version)) ?? [];
    const entries = this.#entriesOf(version);
    for (const { profile, basis } of sizes) if (entries.has(profile.executor)) this.#update(version, profile, basis);
  }

  #measured({ group, version, profile }: MeasuredProfile): void {
    const name = `${group}/${version}`.toLowerCase();
    for (const entry of this.#plans.values()) {
      const isPart = [entry.plan.first, entry.plan.second].some((model) => model?.toLowerCase() === name);
      if (isPart && (entry.executor === profile.executor || isFunction(entry.executor))) void this.#fetchPlan(entry);
    }
    if (!isFunction(profile.executor)) this.#update({ group, version }, profile, '');
    for (const executor of this.#entriesOf({ group, version }).keys()) {
      if (isFunction(executor)) return void this.#fetch({ group, version }, executor);
    }
  }

  #update({ group, version }: Named, profile: Profile, basis: string): void {
    const entries = this.#entriesOf({ group, version });
    const origin = `${basis} ${profile.measuredAtMs}`;
    const before = entries.get(profile.executor);
    if (isFunction(profile.executor) && before?.origin === origin) return;
    const table = new ServiceTable(profile);
    // Samples from before the first profile are discarded, because they include slow first runs.
    if (before !== undefined && before.origin !== '') table.takeServed(before.table, servedLeast);
    entries.set(profile.executor, { executor: profile.executor, table, origin });
    for (const listener of this.#listeners) listener({ group, version });
  }

  #entriesOf({ group, version }: Named): Map<string, Entry> {
    const key = `${nameKey(group)}/${version}`;
    let entries = this.#entries.get(key);
    if (entries === undefined) {
      entries = new Map();
      this.#entries.set(key, entries);
    }
    return entries;
  }
}

function namedIn(name: string): Named {
  const slash = name.lastIndexOf('/');
  return { group: name.slice(0, slash), version: Number(name.slice(slash + 1)) };
}

function isFunction(executor: string): boolean {
  return executor.startsWith('function:');
}
