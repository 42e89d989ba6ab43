/** Batch transforms: what runs them, and where their objects lie. */
import { Transforms } from '../async-inference/index.ts';
import type { S3Store } from '../aws/index.ts';
import type { Config } from '../config.ts';
import { SystemRandom } from '../random.ts';
import type { Closer, Ground } from './ground.ts';
import type { BuiltRooms } from './rooms.ts';

/** Goes on with what an earlier server had under way. */
export async function openTransforms(
  config: Config,
  { registry, profiles, events, audit, prices, cores }: BuiltRooms,
  { db, clock, logs, provider, s3 }: Ground & { readonly s3: S3Store },
  closers: Closer[],
): Promise<Transforms> {
  const transforms = new Transforms({
    db,
    clock,
    random: new SystemRandom(),
    log: logs.platform,
    events,
    audit,
    provider,
    profiles,
    prices,
    cores,
    buckets: s3,
    versionOf: (group, version) => registry.version(group, version),
    artifactPath: (version) => registry.artifactPath(version),
    replyBytesMax: config.bodyLimitBytes,
  });
  await transforms.open();
  closers.push(() => transforms.close());
  return transforms;
}
