/** SageMaker's control plane on top of the modules: operations for its clients, and events. */
import { totalmem } from 'node:os';
import type { Transforms } from '../async-inference/index.ts';
import { type AwsService, evaluationBucketName, type S3Store, sagemakerService } from '../aws/index.ts';
import type { Config } from '../config.ts';
import { QualityReports } from '../evaluation/index.ts';
import type { Foundation } from './foundation.ts';
import type { CoreModules } from './modules.ts';

export function buildSageMaker(
  config: Config,
  modules: CoreModules & { readonly transforms: Transforms },
  { db, clock, s3 }: Pick<Foundation, 'db' | 'clock'> & { readonly s3: S3Store },
): AwsService {
  const { registry, deployments, serving, audit, events, prices, transforms } = modules;
  const reports = new QualityReports({ db, files: registry.files });
  const constrained = process.constrainedMemory();
  return sagemakerService({
    db,
    clock,
    audit,
    events,
    registry,
    deployments,
    prices,
    transforms,
    qualityUriOf: async (version) => {
      const key = await reports.latestKey(version);
      return key === null ? null : `s3://${evaluationBucketName}/${key}`;
    },
    timeoutMs: config.invocationTimeoutMs,
    memoryBytes: constrained > 0 ? Math.min(constrained, totalmem()) : totalmem(),
    objects: s3,
    memoryOf: (endpoint, variant) =>
      serving.endpoint(endpoint)?.variants.find(({ name }) => name === variant)?.functions?.setting.memoryMiB ?? null,
  });
}
