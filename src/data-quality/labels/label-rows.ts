/** Stores the labels of calls, which outlive the predictions: captured calls are joined with them to train. */
import { nameKey } from '../../names.ts';
import type { Database, Transaction } from '../../storage/index.ts';
import type { Label } from './score.ts';

/** The labels of a call. */
export interface CallLabels {
  readonly inferenceId: string;
  /** When the call was answered, epoch milliseconds. */
  readonly calledAtMs: number;
  /** One per row. */
  readonly labels: readonly Label[];
}

const retentionMs = 90 * 86_400_000;
const callsMax = 1_000_000;

/** Replaces labels of the same id. */
export async function storeLabels(tx: Transaction, endpoint: string, labelled: readonly CallLabels[]): Promise<void> {
  if (labelled.length === 0) return;
  const values = labelled.map(({ inferenceId, calledAtMs, labels }) => ({
    endpoint_key: nameKey(endpoint),
    inference_id: inferenceId,
    called_at: calledAtMs,
    labels: JSON.stringify(labels),
  }));
  await tx
    .insertInto('call_labels')
    .values(values)
    .onConflict((conflict) =>
      conflict.columns(['endpoint_key', 'inference_id']).doUpdateSet((excluded) => ({
        called_at: excluded.ref('excluded.called_at'),
        labels: excluded.ref('excluded.labels'),
      })),
    )
    .execute();
}

/** Only for ids that have labels. */
export async function readCallLabels(db: Database, endpoint: string, ids: readonly string[]): Promise<CallLabels[]> {
  if (ids.length === 0) return [];
  const rows = await db
    .selectFrom('call_labels')
    .selectAll()
    .where('endpoint_key', '=', nameKey(endpoint))
    .where('inference_id', 'in', [...new Set(ids)])
    .execute();
  return rows.map(({ inference_id, called_at, labels }) => ({
    inferenceId: inference_id,
    calledAtMs: Number(called_at),
    labels: JSON.parse(labels) as readonly Label[],
  }));
}

/** Deletes expired labels, and the oldest of each endpoint beyond the limit. */
export async function clearLabels(db: Database, endpoints: readonly string[], nowMs: number): Promise<void> {
  await db
    .deleteFrom('call_labels')
    .where('called_at', '<', nowMs - retentionMs)
    .execute();
  for (const endpoint of endpoints) {
    const key = nameKey(endpoint);
    const last = await db
      .selectFrom('call_labels')
      .select('called_at')
      .where('endpoint_key', '=', key)
      .orderBy('called_at', 'desc')
      .offset(callsMax)
      .limit(1)
      .executeTakeFirst();
    if (last === undefined) continue;
    await db.deleteFrom('call_labels').where('endpoint_key', '=', key).where('called_at', '<=', last.called_at).execute();
  }
}
