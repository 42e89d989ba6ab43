/** Queries for tags of groups and versions, and metadata of versions. */
import { PlatformError } from '../errors.ts';
import { nameKey } from '../names.ts';
import type { Transaction } from '../storage/index.ts';

type StringMap = Readonly<Record<string, string>>;

/** Groups have tags only. Throws `not_found`. */
export async function lockStringMap(tx: Transaction, what: 'tags' | 'metadata', group: string, version: number | null): Promise<StringMap> {
  // The first write locks the row until the transaction ends, so changes are serialized.
  const rows =
    version === null
      ? await tx
          .updateTable('model_groups')
          .set((set) => ({ tags: set.ref('tags') }))
          .where('name_key', '=', nameKey(group))
          .returning('tags as words')
          .execute()
      : await tx
          .updateTable('model_versions')
          .set((set) => ({ tags: set.ref('tags') }))
          .where('group_key', '=', nameKey(group))
          .where('version', '=', version)
          .returning(`${what} as words`)
          .execute();
  const [row] = rows;
  if (row !== undefined) return JSON.parse(row.words) as StringMap;
  throw new PlatformError(
    'not_found',
    version === null ? `there is no model group '${group}'` : `there is no model version ${group}/${version}`,
  );
}

/** Call after `lockStringMap` in the same transaction. */
export async function writeStringMap(
  tx: Transaction,
  what: 'tags' | 'metadata',
  group: string,
  version: number | null,
  words: StringMap,
): Promise<void> {
  const text = JSON.stringify(words);
  if (version === null) await tx.updateTable('model_groups').set({ tags: text }).where('name_key', '=', nameKey(group)).execute();
  else {
    await tx
      .updateTable('model_versions')
      .set(what === 'tags' ? { tags: text } : { metadata: text })
      .where('group_key', '=', nameKey(group))
      .where('version', '=', version)
      .execute();
  }
}
