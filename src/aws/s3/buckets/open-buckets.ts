/** Opens the buckets, including read-only ones with the files of registered models and what evaluations measured. */
import { QualityReports } from '../../../evaluation/index.ts';
import type { Foundation } from '../../../foundation/index.ts';
import type { Audit } from '../../../records/index.ts';
import type { Registry } from '../../../registry/index.ts';
import { S3Store } from '../objects/store.ts';
import { EvaluationBucket } from './evaluation-bucket.ts';
import { ModelBucket } from './model-bucket.ts';

export interface OpenBucketsDeps extends Pick<Foundation, 'db' | 'clock' | 'logs' | 'trash' | 'buckets' | 'startedAtMs'> {
  readonly registry: Registry;
  readonly audit: Audit;
}

/** Opens the object store of the S3 API. The read-only buckets are visible to its clients like any other. */
export async function openBuckets({
  registry,
  audit,
  startedAtMs,
  db,
  clock,
  logs,
  trash,
  buckets: files,
}: OpenBucketsDeps): Promise<S3Store> {
  const reports = new QualityReports({ db, files: registry.files });
  const readOnlyBuckets = [new ModelBucket(registry, startedAtMs), new EvaluationBucket(reports, startedAtMs)];
  const s3 = new S3Store({ db, files, clock, log: logs.platform, audit, readOnlyBuckets });
  await s3.sweep(trash.sweepOptions('buckets'));
  trash.sweepHourly('buckets', (options) => s3.sweep(options));
  return s3;
}
