/** The endpoints table: what is wanted of each, and what was told last of how it is. */

import type { Objective } from '../objective.ts';
import { keyOf } from '../registry/index.ts';
import type { Database, Transaction } from '../storage/index.ts';
import type { DesiredEndpoint } from './desired.ts';
import type { EndpointConfig } from './endpoint-config.ts';
import type { Rollout } from './rollout.ts';
import type { EndpointStatus } from './status.ts';
import { type KeptConfig, nothingServed, type VersionHistory, withTakenBack } from './version-history.ts';

export type StoredEndpoint = Omit<DesiredEndpoint, 'versions' | 'versionsBefore'>;

export async function readRows(db: Database | Transaction): Promise<StoredEndpoint[]> {
  const rows = await db.selectFrom('endpoints').selectAll().orderBy('name_key').execute();
  return rows.map(storedOf);
}

/**
 * For whoever is about to write it: nobody else reads it so until the transaction ends. Two changes of the same moment would both be the next
 * generation otherwise, and the later one would write over the other. A row that is written is locked in all databases.
 */
export async function lockRow(tx: Transaction, name: string): Promise<StoredEndpoint | undefined> {
  const row = await tx
    .updateTable('endpoints')
    .set((each) => ({ name_key: each.ref('name_key') }))
    .where('name_key', '=', keyOf(name))
    .returningAll()
    .executeTakeFirst();
  return row === undefined ? undefined : storedOf(row);
}

export async function insertRow(tx: Transaction, endpoint: StoredEndpoint): Promise<void> {
  const { name } = endpoint.config;
  await tx
    .insertInto('endpoints')
    .values({ name_key: keyOf(name), name, created_at: endpoint.createdAtMs, ...changeable(endpoint) })
    .execute();
}

export async function updateRow(tx: Transaction, endpoint: StoredEndpoint): Promise<void> {
  await tx.updateTable('endpoints').set(changeable(endpoint)).where('name_key', '=', keyOf(endpoint.config.name)).execute();
}

/** The history alone, and only of that generation: a change that is written at the same time stays as it is. */
export async function updateHistory(
  tx: Transaction,
  { config, generation, history }: Pick<StoredEndpoint, 'config' | 'generation' | 'history'>,
): Promise<void> {
  await tx
    .updateTable('endpoints')
    .set({ version_history: JSON.stringify(history) })
    .where('name_key', '=', keyOf(config.name))
    .where('generation', '=', generation)
    .execute();
}

/** The status of an endpoint that an event told last, and of which generation. */
export interface ToldStatus {
  readonly status: EndpointStatus;
  readonly generation: number;
}

/** By lower-case name; without those of which none was told, or by a server that did not keep it. */
export async function readTold(db: Database): Promise<ReadonlyMap<string, ToldStatus>> {
  const rows = await db.selectFrom('endpoints').select(['name_key', 'told_status']).execute();
  return new Map(rows.flatMap(({ name_key: key, told_status: told }) => (told === null ? [] : [[key, JSON.parse(told) as ToldStatus]])));
}

/** Nothing of what is wanted changes. */
export async function updateTold(tx: Transaction, name: string, told: ToldStatus): Promise<void> {
  await tx
    .updateTable('endpoints')
    .set({ told_status: JSON.stringify(told) })
    .where('name_key', '=', keyOf(name))
    .execute();
}

/** What an endpoint is served with, or was last. */
export interface ServedObjective {
  readonly objective: Objective | null;
  /** Epoch milliseconds. */
  readonly sinceMs: number;
}

/** By lower-case name; without those of which it is not known. */
export async function readServedObjectives(db: Database): Promise<ReadonlyMap<string, ServedObjective>> {
  const rows = await db.selectFrom('endpoints').select(['name_key', 'served_objective']).execute();
  return new Map(
    rows.flatMap(({ name_key: key, served_objective: served }) => (served === null ? [] : [[key, JSON.parse(served) as ServedObjective]])),
  );
}

/** Nothing of what is wanted changes. */
export async function updateServedObjective(db: Database, name: string, served: ServedObjective): Promise<void> {
  await db
    .updateTable('endpoints')
    .set({ served_objective: JSON.stringify(served) })
    .where('name_key', '=', keyOf(name))
    .execute();
}

export async function deleteRow(tx: Transaction, name: string): Promise<void> {
  await tx.deleteFrom('endpoints').where('name_key', '=', keyOf(name)).execute();
}

function changeable({ config, generation, state, updatedAtMs, rollout, history }: StoredEndpoint) {
  const told = rollout === null ? null : JSON.stringify(rollout);
  return {
    config: JSON.stringify(config),
    generation,
    desired: state,
    updated_at: updatedAtMs,
    rollout: told,
    version_history: JSON.stringify(history),
  };
}

interface EndpointRow {
  readonly config: string;
  readonly generation: number;
  readonly desired: DesiredEndpoint['state'];
  readonly created_at: number;
  readonly updated_at: number;
  readonly rollout: string | null;
  readonly version_history: string | null;
}

function storedOf(row: EndpointRow): StoredEndpoint {
  return {
    config: JSON.parse(row.config) as EndpointConfig,
    generation: row.generation,
    state: row.desired,
    createdAtMs: row.created_at,
    updatedAtMs: row.updated_at,
    rollout: row.rollout === null ? null : (JSON.parse(row.rollout) as Rollout),
    history: row.version_history === null ? historyBefore(row) : historyOf(row.version_history),
  };
}

/** An older server kept of each config its variants alone, as a list. */
function historyOf(text: string): VersionHistory {
  const { kept, ...others } = JSON.parse(text) as Omit<VersionHistory, 'kept'> & {
    readonly kept: readonly (KeptConfig | KeptConfig['variants'])[];
  };
  return { ...others, kept: kept.map((each) => ('variants' in each ? each : { variants: each })) };
}

/** Still older ones kept what was taken back with the update alone. */
function historyBefore({ rollout, updated_at: atMs }: EndpointRow): VersionHistory {
  const { tried = [], takenBack } = JSON.parse(rollout ?? '{}') as {
    readonly tried?: readonly string[];
    readonly takenBack?: string | null;
  };
  return typeof takenBack === 'string' ? withTakenBack(nothingServed, tried, { reason: takenBack, atMs }) : nothingServed;
}
