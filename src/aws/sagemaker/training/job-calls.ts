/** What the operations on training and on processing jobs share: both kinds are jobs of `training`. */
import type { Clock } from '../../../clock.ts';
import { PlatformError } from '../../../errors.ts';
import type { Training, TrainingJob } from '../../../training/index.ts';
import { held, isWaiter, readHoldMs, waiterHoldMs } from '../../held-reads.ts';
import type { TagMap } from '../../resource-tags.ts';
import { type AwsCall, AwsError, type AwsInput } from '../../service.ts';
import { arnOf } from '../arn.ts';
import type { Tags } from '../tags.ts';

type JobType = 'training-job' | 'processing-job';

/** A validated call that creates a job. */
export interface RequestedJob {
  readonly type: JobType;
  readonly name: string;
  readonly spec: Parameters<Training['create']>[0];
  /** The members as they were sent. */
  readonly members: AwsInput;
  readonly tags: TagMap;
}

/** Creates a job with its tags. Returns its ARN. Throws `ResourceInUse`, `ResourceLimitExceeded` or `ValidationException`. */
export async function createJob(
  { training, tags }: { readonly training: Pick<Training, 'create'>; readonly tags: Tags },
  { type, name, spec, members, tags: newTags }: RequestedJob,
  call: AwsCall,
): Promise<string> {
  const arn = arnOf(call, type, name);
  const resource = { type, name, version: null } as const;
  try {
    await training.create(spec, call.caller.keyId, {
      document: members,
      hook: async (tx) => {
        await tags.discard(resource, tx); // of a deleted job of this name
        await tags.begin(resource, newTags, {}, tx);
      },
    });
    return arn;
  } catch (error) {
    throw createError(error, type, arn);
  }
}

/**
 * The job at its end, or after the time for which this client waits. Waiters sleep for two minutes after each response, so only the end is
 * worth a response.
 */
export async function awaitJob(
  { clock, training }: { readonly clock: Pick<Clock, 'after' | 'wallMs'>; readonly training: Pick<Training, 'changed'> },
  id: string,
  find: () => Promise<TrainingJob>,
  call: AwsCall,
): Promise<TrainingJob> {
  let job = await find();
  // The clock may have been set back since.
  const ms = isWaiter(call.userAgent) ? waiterHoldMs : Math.min(readHoldMs, job.createdAtMs + readHoldMs - clock.wallMs());
  await held(clock, call, isOver(job) ? 0 : ms, async (signal) => {
    while (!signal.aborted) {
      // Requested before the job is read, so no change in between is missed.
      const change = training.changed(id, signal);
      job = await find();
      if (isOver(job)) return;
      await change;
    }
  });
  return isOver(job) ? job : find();
}

export function isPlatformCode(error: unknown, code: PlatformError['code']): boolean {
  return error instanceof PlatformError && error.code === code;
}

function isOver({ status }: TrainingJob): boolean {
  return status !== 'InProgress' && status !== 'Stopping';
}

function createError(error: unknown, type: JobType, arn: string): unknown {
  if (isPlatformCode(error, 'already_exists')) {
    const kind = type === 'training-job' ? 'training' : 'processing';
    const unique = `${kind.replace(/^./, (first) => first.toUpperCase())} job names must be unique within an AWS account and Region`;
    return new AwsError('ResourceInUse', `${unique}, and a ${kind} job with this name already exists (${arn})`, { cause: error });
  }
  if (isPlatformCode(error, 'overloaded')) return new AwsError('ResourceLimitExceeded', (error as PlatformError).message, { cause: error });
  if (isPlatformCode(error, 'unsupported')) return new AwsError('ValidationException', (error as PlatformError).message, { cause: error });
  return error;
}
