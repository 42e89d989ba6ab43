/** The endpoints table: desired states, last announced statuses and served objectives. */

import { nameKey } from '../names.ts';
import type { Objective } from '../objective.ts';
import type { Database, Transaction } from '../storage/index.ts';
import type { EndpointConfig } from './config/endpoint-config.ts';
import type { DesiredEndpoint } from './reconcile/desired.ts';
import type { EndpointStatus } from './reconcile/status.ts';
import type { Rollout } from './rollouts/rollout.ts';
import { emptyHistory, type RetainedConfig, type VersionHistory, withRolledBack } from './rollouts/version-history.ts';

/** A row of the table. Versions are stored by name only. */
export type StoredEndpoint = Omit<DesiredEndpoint, 'versions' | 'versionsBefore'>;

/** All stored endpoints, by name; also those that are being deleted, whose workers a restarted server must still stop. */
export async function readEndpointRows(db: Database | Transaction): Promise<StoredEndpoint[]> {
  const rows = await db.selectFrom('endpoints').selectAll().orderBy('name_key').execute();
  return rows.map(storedOf);
}

/**
 * Reads and locks a row until the end of the transaction. Otherwise two concurrent changes would get the same generation and
 * the later one would overwrite the other. Locks by an update, which works in all databases.
 */
export async function lockEndpointRow(tx: Transaction, name: string): Promise<StoredEndpoint | undefined> {
  const row = await tx
    .updateTable('endpoints')
    .set((each) => ({ name_key: each.ref('name_key') }))
    .where('name_key', '=', nameKey(name))
    .returningAll()
    .executeTakeFirst();
  return row === undefined ? undefined : storedOf(row);
}

/** Fails on a name that exists in any case. */
export async function insertEndpointRow(tx: Transaction, endpoint: StoredEndpoint): Promise<void> {
  const { name } = endpoint.config;
  await tx
    .insertInto('endpoints')
    .values({ name_key: nameKey(name), name, created_at: endpoint.createdAtMs, ...changeable(endpoint) })
    .execute();
}

/** Overwrites the desired state: lock the row first, with `lockEndpointRow`. */
export async function updateEndpointRow(tx: Transaction, endpoint: StoredEndpoint): Promise<void> {
  await tx.updateTable('endpoints').set(changeable(endpoint)).where('name_key', '=', nameKey(endpoint.config.name)).execute();
}

/** Updates only the history, and only if the generation is still current, so that a concurrent change is not overwritten. */
export async function updateHistory(
  tx: Transaction,
  { config, generation, history }: Pick<StoredEndpoint, 'config' | 'generation' | 'history'>,
): Promise<void> {
  await tx
    .updateTable('endpoints')
    .set({ version_history: JSON.stringify(history) })
    .where('name_key', '=', nameKey(config.name))
    .where('generation', '=', generation)
    .execute();
}

/** The status in the last published event, and its generation. */
export interface AnnouncedStatus {
  readonly status: EndpointStatus;
  readonly generation: number;
  /** Epoch milliseconds; absent if an older server stored it. */
  readonly atMs?: number;
}

/** By lower-case name. Missing if no status was published, or if an older server did not store it. */
export async function readAnnouncedStatuses(db: Database): Promise<ReadonlyMap<string, AnnouncedStatus>> {
  const rows = await db.selectFrom('endpoints').select(['name_key', 'told_status']).execute();
  return new Map(
    rows.flatMap(({ name_key: key, told_status: announced }) =>
      announced === null ? [] : [[key, JSON.parse(announced) as AnnouncedStatus]],
    ),
  );
}

/** Does not change the desired state. */
export async function storeAnnouncedStatus(tx: Transaction, name: string, announced: AnnouncedStatus): Promise<void> {
  await tx
    .updateTable('endpoints')
    .set({ told_status: JSON.stringify(announced) })
    .where('name_key', '=', nameKey(name))
    .execute();
}

/** The objective an endpoint is or was last served with. */
export interface ServedObjective {
  readonly objective: Objective | null;
  /** Epoch milliseconds. */
  readonly sinceMs: number;
}

/** By lower-case name; missing if unknown. */
export async function readServedObjectives(db: Database): Promise<ReadonlyMap<string, ServedObjective>> {
  const rows = await db.selectFrom('endpoints').select(['name_key', 'served_objective']).execute();
  return new Map(
    rows.flatMap(({ name_key: key, served_objective: served }) => (served === null ? [] : [[key, JSON.parse(served) as ServedObjective]])),
  );
}

/** Does not change the desired state. */
export async function updateServedObjective(db: Database, name: string, served: ServedObjective): Promise<void> {
  await db
    .updateTable('endpoints')
    .set({ served_objective: JSON.stringify(served) })
    .where('name_key', '=', nameKey(name))
    .execute();
}

/** Removes the row, and with it the history. Call it only when no worker of the endpoint runs. */
export async function deleteEndpointRow(tx: Transaction, name: string): Promise<void> {
  await tx.deleteFrom('endpoints').where('name_key', '=', nameKey(name)).execute();
}

function changeable({ config, generation, state, updatedAtMs, rollout, history }: StoredEndpoint) {
  return {
    config: JSON.stringify(config),
    generation,
    desired: state,
    updated_at: updatedAtMs,
    rollout: rollout === null ? null : JSON.stringify(rollout),
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

/** Older servers stored only the variants of each config, as a list. */
function historyOf(text: string): VersionHistory {
  const { kept, ...others } = JSON.parse(text) as Omit<VersionHistory, 'kept'> & {
    readonly kept: readonly (RetainedConfig | RetainedConfig['variants'])[];
  };
  return { ...others, kept: kept.map((each) => ('variants' in each ? each : { variants: each })) };
}

/** Still older servers stored rolled-back versions only with the rollout. */
function historyBefore({ rollout, updated_at: atMs }: EndpointRow): VersionHistory {
  const { tried = [], rolledBack } = JSON.parse(rollout ?? '{}') as {
    readonly tried?: readonly string[];
    readonly rolledBack?: string | null;
  };
  return typeof rolledBack === 'string' ? withRolledBack(emptyHistory, tried, { reason: rolledBack, atMs }) : emptyHistory;
}
