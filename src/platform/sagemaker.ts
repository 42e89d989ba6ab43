/** SageMaker's control plane over the rooms: what its clients call, and what events tell of. */
import type { Transforms } from '../async-inference/index.ts';
import { type AwsService, type S3Store, sagemakerService } from '../aws/index.ts';
import type { Config } from '../config.ts';
import type { Ground } from './ground.ts';
import type { BuiltRooms } from './rooms.ts';

export function buildSageMaker(
  config: Config,
  rooms: BuiltRooms & { readonly transforms: Transforms },
  { db, clock, s3 }: Pick<Ground, 'db' | 'clock'> & { readonly s3: S3Store },
): AwsService {
  const { registry, deployments, serving, audit, events, prices, transforms } = rooms;
  return sagemakerService({
    db,
    clock,
    audit,
    events,
    registry,
    deployments,
    prices,
    transforms,
    timeoutMs: config.invocationTimeoutMs,
    objects: s3,
    unpackedBytesMax: config.artifactLimitBytes,
    memoryOf: (endpoint, variant) =>
      serving.endpoint(endpoint)?.variants.find(({ name }) => name === variant)?.functions?.setting.memoryMiB ?? null,
  });
}
