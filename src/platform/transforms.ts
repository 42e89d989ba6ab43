/** Opens batch transforms with their modules and object store. */
import { Transforms } from '../async-inference/index.ts';
import type { S3Store } from '../aws/index.ts';
import type { Config } from '../config.ts';
import { SystemRandom } from '../random.ts';
import { storedSample } from '../registry/index.ts';
import type { Closer, Foundation } from './foundation.ts';
import type { CoreModules } from './modules.ts';

/** Resumes transforms that a previous server left running. */
export async function openTransforms(
  config: Config,
  { registry, profiles, events, audit, prices, cores, checkForeignCode }: CoreModules,
  { db, clock, logs, provider, s3 }: Foundation & { readonly s3: S3Store },
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
    checkForeignCode,
    modelFiles: (version) => registry.modelFiles(version),
    sampleOf: (version) => storedSample(db, version),
    replyBytesMax: config.bodyLimitBytes,
  });
  await transforms.open();
  closers.push(() => transforms.close());
  return transforms;
}
