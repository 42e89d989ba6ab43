/** What is kept from now on: buckets, costs, arrivals. */
import { ModelBucket, S3Store } from '../aws/index.ts';
import { CostHistory, Ledger } from '../costs/index.ts';
import { messageOf } from '../errors.ts';
import { ArrivalHistory, Audit } from '../monitoring/index.ts';
import { Registry } from '../registry/index.ts';
import { Serving } from '../serving/index.ts';
import { FileObjectStore } from '../storage/index.ts';
import type { Ground } from './ground.ts';

/** Buckets, and among them one that shows the files of registered models. */
export async function openBuckets(
  { registry, audit }: { readonly registry: Registry; readonly audit: Audit },
  startedAtMs: number,
  { db, clock, logs, directory }: Ground,
): Promise<S3Store> {
  const files = new FileObjectStore(directory.buckets);
  const s3 = new S3Store({ db, files, clock, log: logs.platform, audit, given: [new ModelBucket(registry, startedAtMs)] });
  await s3.sweep();
  return s3;
}

/** What is used from now on is kept. */
export function openCosts(ledger: Ledger, { db, clock, logs }: Ground): CostHistory {
  const onFailure = (error: unknown): void => logs.platform.error({ error: messageOf(error) }, 'costs could not be written yet');
  const costs = new CostHistory({ db, clock, ledger, onFailure });
  costs.open();
  return costs;
}

/** Who comes from now on is kept. */
export function openArrivals(serving: Serving, { metricsDb: db, clock, logs }: Ground): ArrivalHistory {
  const onFailure = (error: unknown): void => logs.platform.error({ error: messageOf(error) }, 'arrivals could not be written yet');
  const arrivals = new ArrivalHistory({ db, clock, arrived: () => serving.arrived(), onFailure });
  arrivals.open();
  return arrivals;
}
