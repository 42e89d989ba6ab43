/** Opens buckets and the histories of costs and arrivals. */
import { EvaluationBucket, ModelBucket, S3Store } from '../aws/index.ts';
import { CostHistory, Ledger } from '../costs/index.ts';
import { messageOf } from '../errors.ts';
import { QualityReports } from '../evaluation/index.ts';
import { ArrivalHistory } from '../metrics/index.ts';
import { Audit } from '../records/index.ts';
import { Registry } from '../registry/index.ts';
import { Serving } from '../serving/index.ts';
import type { Foundation } from './foundation.ts';

/** Opens the buckets, including read-only ones with the files of registered models and what evaluations measured. */
export async function openBuckets(
  { registry, audit }: { readonly registry: Registry; readonly audit: Audit },
  startedAtMs: number,
  { db, clock, logs, trash, buckets: files }: Foundation,
): Promise<S3Store> {
  const reports = new QualityReports({ db, files: registry.files });
  const readOnlyBuckets = [new ModelBucket(registry, startedAtMs), new EvaluationBucket(reports, startedAtMs)];
  const s3 = new S3Store({ db, files, clock, log: logs.platform, audit, readOnlyBuckets });
  await s3.sweep(trash.sweepOptions('buckets'));
  return s3;
}

/** Starts recording costs. */
export function openCosts(ledger: Ledger, { db, clock, logs }: Foundation): CostHistory {
  const onFailure = (error: unknown): void => logs.platform.error({ error: messageOf(error) }, 'failed to write costs, will retry');
  const costs = new CostHistory({ db, clock, ledger, onFailure });
  costs.open();
  return costs;
}

/** Starts recording arrivals. */
export function openArrivals(serving: Serving, { metricsDb: db, clock, logs }: Foundation): ArrivalHistory {
  const onFailure = (error: unknown): void => logs.platform.error({ error: messageOf(error) }, 'failed to write arrivals, will retry');
  const arrivals = new ArrivalHistory({ db, clock, arrived: () => serving.arrived(), onFailure });
  arrivals.open();
  return arrivals;
}
