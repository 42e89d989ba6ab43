/** Opens batch transforms with their modules and object store. */
import type { Closers } from '../../closers.ts';
import type { Config } from '../../config.ts';
import { defined } from '../../defined.ts';
import type { Foundation } from '../../foundation/index.ts';
import { SystemRandom } from '../../random.ts';
import { type Registry, storedSample } from '../../registry/index.ts';
import { Transforms, type TransformsOptions } from './transforms.ts';

type Handed = 'profiles' | 'events' | 'audit' | 'prices' | 'cores' | 'checkForeignCode' | 'provider';

export interface OpenTransformsDeps extends Pick<Foundation, 'db' | 'clock' | 'logs' | 'threads'>, Pick<TransformsOptions, Handed> {
  readonly registry: Registry;
  readonly s3: TransformsOptions['buckets'];
}

/** Resumes transforms that a previous server left running. */
export async function openTransforms(config: Config, deps: OpenTransformsDeps, closers: Closers): Promise<Transforms> {
  const { registry, profiles, events, audit, prices, cores, checkForeignCode, db, clock, logs, threads, provider, s3 } = deps;
  const transforms = new Transforms({
    db,
    clock,
    random: new SystemRandom(),
    log: logs.platform,
    events,
    audit,
    provider,
    threads,
    profiles,
    prices,
    cores,
    buckets: s3,
    versionOf: (group, version) => registry.version(group, version),
    ...defined({ checkForeignCode }),
    sampleOf: (version) => storedSample(db, version),
    replyBytesMax: config.bodyLimitBytes,
  });
  await transforms.open();
  return closers.add(transforms);
}
