/** Opens tuning jobs over the training jobs of a server. */
import { type Access, permissionFor } from '../../access/index.ts';
import type { Closers } from '../../closers.ts';
import { PlatformError } from '../../errors.ts';
import type { Foundation } from '../../foundation/index.ts';
import type { Random } from '../../random.ts';
import type { Audit, Events } from '../../records/index.ts';
import type { Registry } from '../../registry/index.ts';
import type { Training } from '../training-job.ts';
import { TuningJobs } from './tuning-jobs.ts';
import { TuningRows } from './tuning-rows.ts';
import { tuningLimits } from './tuning-spec.ts';

/** Modules that tuning stands on. */
export interface OpenTuningDeps extends Pick<Foundation, 'db' | 'clock'> {
  readonly logs: Pick<Foundation['logs'], 'platform'>;
  readonly registry: Pick<Registry, 'files'>;
  readonly events: Events;
  readonly audit: Audit;
  readonly access: Pick<Access, 'callerFor' | 'require'>;
  readonly training: Training;
  readonly random: Random;
  /** The largest number of unfinished tuning jobs. Default 100. */
  readonly unfinishedMax?: number;
}

/** Jobs of the previous server continue with `serve`. Close it before the training jobs. */
export function openTuning(deps: OpenTuningDeps, closers: Closers): TuningJobs {
  const { db, clock, logs, registry, events, audit, access, training, random, unfinishedMax = tuningLimits.unfinished } = deps;
  const tuning = new TuningJobs({
    rows: new TuningRows(db),
    clock,
    log: logs.platform,
    events,
    audit,
    training,
    random,
    unfinishedMax,
    checkCreator: (who) => checkCreator(access, who),
    discardSource: (sha256) => registry.files.discard(sha256),
  });
  return closers.add(tuning);
}

/** A local caller without a key has all rights. Throws `forbidden`. */
function checkCreator(access: Pick<Access, 'callerFor' | 'require'>, who: string): void {
  if (who === 'anonymous') return;
  const caller = access.callerFor(who);
  if (caller === undefined) throw new PlatformError('forbidden', `The key ${who}, which created the tuning job, was revoked`);
  access.require(caller, permissionFor('train'));
}
