/** The decided instance count of each scaled variant. Stored apart from the config: a new count does not change the config. */
import { nameKey } from '../../names.ts';
import type { Database, Transaction } from '../../storage/index.ts';

/** By variant, in lower case. */
export type ScaledCounts = ReadonlyMap<string, number>;

/** By endpoint, in lower case. */
export async function readCounts(db: Database | Transaction): Promise<ReadonlyMap<string, ScaledCounts>> {
  const counts = new Map<string, Map<string, number>>();
  for (const { endpoint_key: endpoint, variant_key: variant, instances } of await db.selectFrom('scaled_variants').selectAll().execute()) {
    const own = counts.get(endpoint) ?? new Map<string, number>();
    counts.set(endpoint, own.set(variant, instances));
  }
  return counts;
}

/** One row: the last decided count of a variant, and when it was decided in epoch milliseconds. */
export interface ScaledCount {
  readonly endpoint: string;
  readonly variant: string;
  readonly instances: number;
  readonly atMs: number;
}

/** Inserts or replaces the count of a variant. Call it in the transaction that stores its decision. */
export async function writeCount(db: Database | Transaction, { endpoint, variant, instances, atMs }: ScaledCount): Promise<void> {
  await db
    .insertInto('scaled_variants')
    .values({ endpoint_key: nameKey(endpoint), variant_key: nameKey(variant), instances, updated_at: atMs })
    .onConflict((row) => row.columns(['endpoint_key', 'variant_key']).doUpdateSet({ instances, updated_at: atMs }))
    .execute();
}

/** Deletes the counts of variants that no longer scale: if they scale again, they start from scratch. */
export async function deleteOtherCounts(tx: Transaction, endpoint: string, variants: readonly string[]): Promise<void> {
  let query = tx.deleteFrom('scaled_variants').where('endpoint_key', '=', nameKey(endpoint));
  if (variants.length > 0) query = query.where('variant_key', 'not in', variants.map(nameKey));
  await query.execute();
}
