/** The queries on the tags of groups and versions. */
import { PlatformError } from '../errors.ts';
import type { Transaction } from '../storage/index.ts';
import { keyOf } from './model-version.ts';

type Tags = Readonly<Record<string, string>>;

/** Reads them and keeps others from changing them until the transaction ends: the first write locks the row. Throws `not_found`. */
export async function lockTags(tx: Transaction, group: string, version: number | null): Promise<Tags> {
  const row =
    version === null
      ? await tx
          .updateTable('model_groups')
          .set((set) => ({ tags: set.ref('tags') }))
          .where('name_key', '=', keyOf(group))
          .returning('tags')
          .executeTakeFirst()
      : await tx
          .updateTable('model_versions')
          .set((set) => ({ tags: set.ref('tags') }))
          .where('group_key', '=', keyOf(group))
          .where('version', '=', version)
          .returning('tags')
          .executeTakeFirst();
  if (row === undefined) {
    throw new PlatformError(
      'not_found',
      version === null ? `there is no model group '${group}'` : `there is no model version ${group}/${version}`,
    );
  }
  return JSON.parse(row.tags) as Tags;
}

export async function writeTags(tx: Transaction, group: string, version: number | null, tags: Tags): Promise<void> {
  const change = { tags: JSON.stringify(tags) };
  if (version === null) await tx.updateTable('model_groups').set(change).where('name_key', '=', keyOf(group)).execute();
  else await tx.updateTable('model_versions').set(change).where('group_key', '=', keyOf(group)).where('version', '=', version).execute();
}
