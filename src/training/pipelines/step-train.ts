/** Steps train and register: the training job of the run, and the version that it registers. */
import { PlatformError } from '../../errors.ts';
import { channelDefaults, type TrainingChannel, type TrainingSpec, trainingDefaults } from '../spec.ts';
import { isOver } from '../status.ts';
import type { TrainingJob } from '../training-job.ts';
import { type Pipeline, runName } from './pipeline.ts';
import { s3UriParts } from './pipeline-file.ts';
import { type PipelineChannel, type PipelineSpec, withParameters } from './pipeline-spec.ts';
import type { StepContext, StepOutcome } from './run-steps.ts';
import { holdoutName } from './step-evaluate.ts';

/** The bucket of results, unless the file names another. */
export const pipelineBucket = 'penstock-training';
const triesMax = 50;
const rereadEveryMs = 5000;

/** The job of a run. `run` is null for a check without a run. */
export function trainingSpecFor(
  { train, group, name }: PipelineSpec,
  { git, sourceSha256 }: Pick<Pipeline, 'git' | 'sourceSha256'>,
  {
    run,
    job,
    parameters,
  }: { readonly run: string | null; readonly job: string | null; readonly parameters: Readonly<Record<string, string>> },
): TrainingSpec {
  const maxRuntimeMs = train.maxRuntimeMs ?? trainingDefaults.maxRuntimeMs;
  const output = s3UriParts(train.output ?? `s3://${pipelineBucket}`);
  return {
    ...trainingDefaults,
    name: job ?? name,
    environment: train.environment,
    entry: train.entry,
    command: train.command,
    source: sourceSha256 === null ? null : { sha256: sourceSha256 },
    hyperparameters: Object.fromEntries(
      Object.entries(train.hyperparameters).map(([key, text]) => [key, withParameters(text, parameters)] as const),
    ),
    channels: train.channels.map((channel) => channelOf(channel, parameters)),
    output: { ...output, isPacked: true },
    instanceType: train.instanceType ?? trainingDefaults.instanceType,
    maxRuntimeMs,
    maxWaitMs: train.isSpot ? 2 * maxRuntimeMs : null,
    isSpot: train.isSpot,
    metrics: train.metrics,
    group,
    git,
    run,
  };
}

function channelOf({ name, source }: PipelineChannel, parameters: Readonly<Record<string, string>>): TrainingChannel {
  if (source.kind === 'captured') return { ...channelDefaults, name, source };
  return { ...channelDefaults, name, source: { kind: 's3', ...s3UriParts(withParameters(source.uri, parameters)) } };
}

/** Creates the job once per run, even if servers are killed meanwhile, and waits for its end. */
export async function trainStep(context: StepContext): Promise<StepOutcome> {
  const { deps, signal } = context;
  await noteHoldout(context);
  let job = await jobOf(context);
  while (!isOver(job.status)) {
    await changeOrPause(context, job.spec.name);
    signal.throwIfAborted();
    job = (await deps.training.find(job.spec.name)) ?? throwDeleted(job.spec.name);
  }
  const facts = { job: job.spec.name, version: job.version };
  if (job.status !== 'Completed') {
    const why = job.failureReason ?? job.transitions.at(-1)?.message ?? job.status;
    return { state: 'Failed', note: `training job ${job.spec.name} is ${job.status}: ${why}`, facts };
  }
  const metrics = job.metrics.map(({ name, value }) => `${name} ${Number(value.toPrecision(4))}`);
  return { state: 'Completed', note: [`training job ${job.spec.name} completed`, ...metrics].join(', '), facts };
}

/** Fingerprints the holdout before the code runs, because the code may write to buckets. Throws `not_found` at once if there is no holdout. */
async function noteHoldout({ deps, spec, run, save }: StepContext): Promise<void> {
  if (spec.evaluate === null || run.job !== null) return;
  await save({ holdoutBefore: await holdoutName(deps.buckets, spec.evaluate) });
}

/** Reads the job again after this time, because a change between reading and waiting would be missed. */
async function changeOrPause({ deps, signal }: StepContext, job: string): Promise<void> {
  const pause = new AbortController();
  const cancel = deps.clock.after(rereadEveryMs, () => pause.abort());
  await deps.training.changed(job, AbortSignal.any([signal, pause.signal]));
  cancel();
}

async function jobOf(context: StepContext): Promise<TrainingJob> {
  const { deps, spec, revision, who, run, save } = context;
  const name = runName(run);
  const parameters = run.parameters;
  for (let tries = 1; ; tries++) {
    const known = run.job === null ? null : await deps.training.find(run.job);
    if (known?.spec.run === name) return known;
    // Stored before the job is created, so that the next server finds it. If the name is taken meanwhile, another one is tried.
    const job = tries === 1 && run.job !== null && known === null ? run.job : await deps.training.nextName(spec.name);
    await save({ job });
    try {
      return await deps.training.create(trainingSpecFor(spec, revision, { run: name, job, parameters }), who);
    } catch (error) {
      const isTaken = error instanceof PlatformError && error.code === 'already_exists';
      if (!isTaken || tries === triesMax) throw error;
    }
  }
}

function throwDeleted(job: string): never {
  throw new PlatformError('not_found', `training job ${job} was deleted`);
}

/** The job has registered the version already, with its last step; this one reports it. */
export async function registerStep({ deps, spec, run }: StepContext): Promise<StepOutcome> {
  if (run.version !== null) return { state: 'Completed', note: `registered ${run.version}, pending approval` };
  const job = run.job === null ? null : await deps.training.find(run.job);
  const why = job?.notes.find((note) => note.includes('registered')) ?? `no version of ${spec.group} was registered`;
  return { state: 'Failed', note: why };
}
