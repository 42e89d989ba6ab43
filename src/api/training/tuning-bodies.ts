/** Tuning jobs in requests and responses. */
import { z } from 'zod';
import { type ParameterRange, rangeLimits, type TuningJob, type TuningTrial, trainingLimits, tuningLimits } from '../../training/index.ts';
import { isoTime } from '../routing/parameters.ts';
import { trainingStatuses } from './training-bodies.ts';
import { trainingInput } from './training-input.ts';

const time = z.iso.datetime();
const strategies = ['Bayesian', 'Random', 'Grid', 'Hyperband'] as const;
const goals = ['Minimize', 'Maximize'] as const;
const scalings = ['Auto', 'Linear', 'Logarithmic', 'ReverseLogarithmic'] as const;
export const tuningStatuses = ['InProgress', 'Completed', 'Failed', 'Stopping', 'Stopped'] as const;

const rangeBody = z.union([
  z.strictObject({
    name: z.string().max(rangeLimits.nameLength),
    type: z.enum(['continuous', 'integer']),
    min: z.number(),
    max: z.number(),
    scaling: z.enum(scalings).default('Auto'),
  }),
  z.strictObject({
    name: z.string().max(rangeLimits.nameLength),
    type: z.literal('categorical'),
    values: z.array(z.string().max(rangeLimits.valueLength)).max(rangeLimits.values),
  }),
]);

export const tuningInput = z.strictObject({
  name: z.string().max(32).optional().describe('Unique name. Default: GROUP-N, counted.'),
  strategy: z.enum(strategies).default('Bayesian').describe('Bayesian is TPE, Hyperband is ASHA.'),
  metric: z.string().max(trainingLimits.metricNameLength).describe('A metric of `training`.'),
  goal: z.enum(goals).default('Maximize'),
  ranges: z.array(rangeBody).max(rangeLimits.ranges),
  jobs: z.int().min(1).max(tuningLimits.gridJobs).describe('Training jobs in all.'),
  parallel: z.int().min(1).max(tuningLimits.parallel).default(1).describe('Training jobs at once.'),
  max_runtime_s: z
    .int()
    .min(1)
    .max(trainingLimits.runtimeMs / 1000)
    .nullable()
    .default(null),
  stops_early: z
    .boolean()
    .default(false)
    .describe('Stop trials that are worse than the median of the completed ones after as many reports.'),
  min_reports: z
    .int()
    .min(1)
    .max(tuningLimits.reports)
    .default(1)
    .describe('Of Hyperband: reports of the metric before the first comparison.'),
  max_reports: z.int().min(1).max(tuningLimits.reports).default(27).describe('Of Hyperband: reports of a whole training.'),
  target: z.number().nullable().default(null).describe('Complete once a trial is as good.'),
  not_improving: z.int().min(3).max(tuningLimits.jobs).nullable().default(null).describe('Complete after N trials without a better one.'),
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .nullable()
    .default(null),
  training: trainingInput.describe('What each training job runs, as for `POST /training-jobs`, without a name.'),
});

export type TuningInput = z.output<typeof tuningInput>;

const trialBody = z.strictObject({
  number: z.number(),
  job: z.string().describe('Its training job.'),
  values: z.record(z.string(), z.string()),
  status: z.enum([...trainingStatuses, 'Waiting']),
  objective: z.number().nullable().describe('The last value of the metric, once the trial is over.'),
  stopped_early: z.boolean(),
  reason: z.string().nullable(),
  host: z.string().nullable().describe('The machine of the cluster that runs or ran it; null as that of its training job.'),
  created_at: time,
  started_at: time.nullable(),
  ended_at: time.nullable(),
});

export const tuningJobBody = z.strictObject({
  name: z.string(),
  status: z.enum(tuningStatuses),
  reason: z.string().nullable().describe('Why it failed, or was complete before its last job.'),
  strategy: z.enum(strategies),
  metric: z.string(),
  goal: z.enum(goals),
  ranges: z.array(rangeBody),
  jobs: z.number(),
  parallel: z.number(),
  seed: z.number(),
  counts: z.strictObject({ completed: z.number(), in_progress: z.number(), failed: z.number(), stopped: z.number() }),
  best: trialBody.nullable(),
  instance_type: z.string(),
  created_by: z.string(),
  created_at: time,
  updated_at: time,
  ended_at: time.nullable(),
});

export const tuningTrialsBody = z.strictObject({ items: z.array(trialBody).describe('In order of their numbers.') });

export type TuningJobBody = z.infer<typeof tuningJobBody>;
export type TuningTrialBody = z.infer<typeof trialBody>;

export function parameterRangeOf(range: TuningInput['ranges'][number]): ParameterRange {
  if (range.type === 'categorical') return { kind: range.type, name: range.name, values: range.values };
  return { kind: range.type, name: range.name, min: range.min, max: range.max, scaling: range.scaling };
}

function rangeBodyOf(range: ParameterRange): TuningJobBody['ranges'][number] {
  if (range.kind === 'categorical') return { name: range.name, type: range.kind, values: [...range.values] };
  return { name: range.name, type: range.kind, min: range.min, max: range.max, scaling: range.scaling };
}

export function trialBodyOf(trial: TuningTrial): TuningTrialBody {
  const { number, job, values, status, objective, isStoppedEarly, reason, host = null, createdAtMs, startedAtMs, endedAtMs } = trial;
  return {
    number,
    job,
    values,
    status,
    objective,
    stopped_early: isStoppedEarly,
    reason,
    host,
    created_at: isoTime(createdAtMs),
    started_at: startedAtMs === null ? null : isoTime(startedAtMs),
    ended_at: endedAtMs === null ? null : isoTime(endedAtMs),
  };
}

export function tuningJobBodyOf(job: TuningJob): TuningJobBody {
  const { spec, counts, best, createdAtMs, updatedAtMs, endedAtMs } = job;
  return {
    name: spec.name,
    status: job.status,
    reason: job.reason,
    strategy: spec.strategy,
    metric: spec.metric,
    goal: spec.goal,
    ranges: spec.ranges.map(rangeBodyOf),
    jobs: spec.maxJobs,
    parallel: spec.maxParallel,
    seed: spec.seed,
    counts: { completed: counts.completed, in_progress: counts.inProgress, failed: counts.failed, stopped: counts.stopped },
    best: best === null ? null : trialBodyOf(best),
    instance_type: spec.training.instanceType,
    created_by: job.createdBy,
    created_at: isoTime(createdAtMs),
    updated_at: isoTime(updatedAtMs),
    ended_at: endedAtMs === null ? null : isoTime(endedAtMs),
  };
}
