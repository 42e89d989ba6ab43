/** SageMaker's control plane on top of the modules: operations for its clients, and events. */
import { totalmem } from 'node:os';
import type { Config } from '../../config.ts';
import { QualityReports } from '../../evaluation/index.ts';
import { imageEntries, type Registry, resolveTrainingImage } from '../../registry/index.ts';
import type { Serving } from '../../serving/index.ts';
import { evaluationBucketName } from '../s3/buckets/evaluation-bucket.ts';
import { type S3Store } from '../s3/objects/store.ts';
import { type SageMakerOptions, type SageMakerService, sagemakerService } from './service.ts';

type Handed =
  | 'profiles'
  | 'registry'
  | 'deployments'
  | 'audit'
  | 'events'
  | 'prices'
  | 'transforms'
  | 'training'
  | 'tuning'
  | 'access'
  | 'db'
  | 'clock'
  | 'ladders'
  | 'selectionRecorder';

export interface OpenSageMakerDeps extends Pick<SageMakerOptions, Handed> {
  readonly registry: Registry;
  readonly serving: Serving;
  readonly logs: { readonly platform: SageMakerOptions['log'] };
  readonly s3: S3Store;
  readonly deploymentPlanner: SageMakerOptions['planner'];
}

export function openSageMaker(config: Config, deps: OpenSageMakerDeps): SageMakerService {
  const { registry, deployments, serving, audit, events, prices, transforms, training, tuning, profiles, db, clock, s3 } = deps;
  const { ladders, selectionRecorder } = deps;
  const reports = new QualityReports({ db, files: registry.files });
  const images = imageEntries(config.images);
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
    training,
    tuning,
    access: deps.access,
    log: deps.logs.platform,
    awsLocation: { account: config.awsAccount, region: config.awsRegion },
    imageOf: (image) => resolveTrainingImage(images, image),
    profiles,
    ladders,
    selectionRecorder,
    planner: deps.deploymentPlanner,
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
