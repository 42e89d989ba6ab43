/** Database queries for model groups. */
import { PlatformError } from '../errors.ts';
import { nameKey } from '../names.ts';
import type { Database, Transaction } from '../storage/index.ts';
import { type ModelGroup } from './model-version.ts';

interface NewGroup {
  readonly name: string;
  readonly description: string;
  /** JSON object of texts. */
  readonly tags: string;
  readonly atMs: number;
}

/** Returns whether the group was created. An existing group of that name (case-insensitive) is unchanged. */
export async function insertGroup(tx: Transaction, group: NewGroup): Promise<boolean> {
  const result = await tx
    .insertInto('model_groups')
    .values({
      name_key: nameKey(group.name),
      name: group.name,
      description: group.description,
      tags: group.tags,
      created_at: group.atMs,
      next_version: 1,
    })
    .onConflict((conflict) => conflict.column('name_key').doNothing())
    .executeTakeFirst();
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
}

/** Ordered by name. */
export async function listGroups(db: Database, page: { limit: number; offset: number }): Promise<ModelGroup[]> {
  const rows = await db.selectFrom('model_groups').selectAll().orderBy('name_key').limit(page.limit).offset(page.offset).execute();
  const keys = rows.map((row) => row.name_key);
  const counts = keys.length === 0 ? [] : await countVersions(db, keys);
  return rows.map((row) =>
    groupOf(
      row,
      counts.filter((count) => count.groupKey === row.name_key),
    ),
  );
}

/** Throws `not_found`. */
export async function describeGroup(db: Database, name: string): Promise<ModelGroup> {
  const row = await db.selectFrom('model_groups').selectAll().where('name_key', '=', nameKey(name)).executeTakeFirst();
  if (row === undefined) throw noGroup(name);
  return groupOf(row, await countVersions(db, [row.name_key]));
}

/** Deletes a group without versions. Throws `not_found`, `wrong_state`. */
export async function removeGroup(tx: Transaction, name: string): Promise<void> {
  const group = await tx.selectFrom('model_groups').select('name').where('name_key', '=', nameKey(name)).executeTakeFirst();
  if (group === undefined) throw noGroup(name);
  const [count] = await countVersions(tx, [nameKey(name)]);
  if (count !== undefined) {
    throw new PlatformError('wrong_state', `group ${group.name} still has version ${count.latest}: delete its versions first`);
  }
  await tx.deleteFrom('model_groups').where('name_key', '=', nameKey(name)).execute();
}

function noGroup(name: string): PlatformError {
  return new PlatformError('not_found', `there is no model group '${name}'`, { hint: '`penstock groups` lists them' });
}

interface VersionCount {
  readonly groupKey: string;
  readonly approval: string;
  readonly versions: number;
  readonly latest: number;
}

/** Counts by group and approval; no row for a group without versions. */
async function countVersions(db: Database | Transaction, groupKeys: readonly string[]): Promise<VersionCount[]> {
  const rows = await db
    .selectFrom('model_versions')
    .select((expression) => ['group_key', 'approval', expression.fn.countAll().as('versions'), expression.fn.max('version').as('latest')])
    .where('group_key', 'in', groupKeys)
    .groupBy(['group_key', 'approval'])
    .execute();
  return rows.map((row) => ({
    groupKey: row.group_key,
    approval: row.approval,
    versions: Number(row.versions),
    latest: Number(row.latest),
  }));
}

interface GroupRow {
  readonly name: string;
  readonly description: string;
  readonly tags: string;
  readonly created_at: number;
}

function groupOf(row: GroupRow, counts: readonly VersionCount[]): ModelGroup {
  return {
    name: row.name,
    description: row.description,
    tags: JSON.parse(row.tags) as Record<string, string>,
    createdAtMs: row.created_at,
    versions: counts.reduce((sum, count) => sum + count.versions, 0),
    latestVersion: highest(counts),
    latestApproved: highest(counts.filter((count) => count.approval === 'Approved')),
  };
}

function highest(counts: readonly VersionCount[]): number | null {
  return counts.length === 0 ? null : Math.max(...counts.map((count) => count.latest));
}
