/** Stores baselines: one per endpoint, deleted with it. */
import type { Database } from '../../storage/index.ts';
import { type FeatureBaseline, type StoredFeature, upgradeStoredFeature } from './baseline.ts';

/** The usual rows of an endpoint, feature by feature. */
export interface Baseline {
  readonly features: readonly FeatureBaseline[];
  /** `rows that were posted`, `rows of the last hour`. */
  readonly source: string;
  readonly rows: number;
  /** Epoch milliseconds. */
  readonly madeAtMs: number;
  /** Feature names as in the file the baseline was made from. */
  readonly titles?: Readonly<Record<string, string>>;
}

/** By lower-case endpoint name. */
export async function readBaselines(db: Database): Promise<Map<string, Baseline>> {
  const rows = await db.selectFrom('drift_baselines').selectAll().execute();
  return new Map(
    rows.map(({ endpoint_key, document }) => {
      const stored = JSON.parse(document) as Baseline & { readonly features: readonly StoredFeature[] };
      return [endpoint_key, { ...stored, features: stored.features.map((feature) => upgradeStoredFeature(feature, stored.rows)) }];
    }),
  );
}

/** Replaces the previous baseline. Throws if the endpoint does not exist. */
export async function writeBaseline(db: Database, endpointKey: string, baseline: Baseline): Promise<void> {
  const changes = { document: JSON.stringify(baseline), made_at: baseline.madeAtMs };
  await db
    .insertInto('drift_baselines')
    .values({ endpoint_key: endpointKey, ...changes })
    .onConflict((conflict) => conflict.column('endpoint_key').doUpdateSet(changes))
    .execute();
}

/** Nothing happens if there is none. */
export async function deleteBaseline(db: Database, endpointKey: string): Promise<void> {
  await db.deleteFrom('drift_baselines').where('endpoint_key', '=', endpointKey).execute();
}
