/** The queries on what groups and versions carry in words: tags, and the metadata of versions. */
import { PlatformError } from '../errors.ts';
import type { Transaction } from '../storage/index.ts';
import { keyOf } from './model-version.ts';

type Words = Readonly<Record<string, string>>;

/** Groups have tags only. Throws `not_found`. */
export async function lockWords(tx: Transaction, what: 'tags' | 'metadata', group: string, version: number | null): Promise<Words> {
  // The first write locks the row: nobody else changes the words until the transaction ends.
  const rows =
    version === null
      ? await tx
          .updateTable('model_groups')
          .set((set) => ({ tags: set.ref('tags') }))
          .where('name_key', '=', keyOf(group))
          .returning('tags as words')
          .execute()
      : await tx
          .updateTable('model_versions')
          .set((set) => ({ tags: set.ref('tags') }))
          .where('group_key', '=', keyOf(group))
          .where('version', '=', version)
          .returning(`${what} as words`)
          .execute();
  const [row] = rows;
  if (row !== undefined) return JSON.parse(row.words) as Words;
  throw new PlatformError(
    'not_found',
    version === null ? `there is no model group '${group}'` : `there is no model version ${group}/${version}`,
  );
}

export async function writeWords(
  tx: Transaction,
  what: 'tags' | 'metadata',
  group: string,
  version: number | null,
  words: Words,
): Promise<void> {
  const text = JSON.stringify(words);
  if (version === null) await tx.updateTable('model_groups').set({ tags: text }).where('name_key', '=', keyOf(group)).execute();
  else {
    await tx
      .updateTable('model_versions')
      .set(what === 'tags' ? { tags: text } : { metadata: text })
      .where('group_key', '=', keyOf(group))
      .where('version', '=', version)
      .execute();
  }
}
