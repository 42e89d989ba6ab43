/** Converts CreateHyperParameterTuningJob to the spec of a tuning job, and a tuning job to AWS's members. Pure. */
import {
  type NewTuningSpec,
  type ParameterRange,
  type RangeScaling,
  type TuningGoal,
  type TuningJob,
  type TuningStrategy,
  type TuningTrial,
  tuningDefaults,
} from '../../../training/index.ts';
import type { AwsInput, AwsLocation, AwsOutput } from '../../service.ts';
import { arnOf } from '../arn.ts';
import { invalidTraining } from './training-members.ts';
import { createdSpecOf, type TrainingSpecDeps, trainingMembersOf } from './training-spec.ts';

interface RangesMembers {
  readonly ContinuousParameterRanges?: readonly NumericMembers[];
  readonly IntegerParameterRanges?: readonly NumericMembers[];
  readonly CategoricalParameterRanges?: readonly { readonly Name: string; readonly Values: readonly string[] }[];
  readonly AutoParameters?: readonly object[];
}

interface NumericMembers {
  readonly Name: string;
  readonly MinValue: string;
  readonly MaxValue: string;
  readonly ScalingType?: RangeScaling;
}

interface TuningMembers {
  readonly HyperParameterTuningJobName: string;
  readonly HyperParameterTuningJobConfig: {
    readonly Strategy: TuningStrategy;
    readonly StrategyConfig?: { readonly HyperbandStrategyConfig?: { readonly MinResource?: number; readonly MaxResource?: number } };
    readonly HyperParameterTuningJobObjective?: { readonly Type: TuningGoal; readonly MetricName: string };
    readonly ResourceLimits: {
      readonly MaxNumberOfTrainingJobs?: number;
      readonly MaxParallelTrainingJobs: number;
      readonly MaxRuntimeInSeconds?: number;
    };
    readonly ParameterRanges?: RangesMembers;
    readonly TrainingJobEarlyStoppingType?: 'Off' | 'Auto';
    readonly TuningJobCompletionCriteria?: {
      readonly TargetObjectiveMetricValue?: number;
      readonly BestObjectiveNotImproving?: { readonly MaxNumberOfTrainingJobsNotImproving?: number };
      readonly ConvergenceDetected?: { readonly CompleteOnConvergence?: 'Disabled' | 'Enabled' };
    };
    readonly RandomSeed?: number;
  };
  readonly TrainingJobDefinition?: DefinitionMembers;
  readonly TrainingJobDefinitions?: readonly object[];
  readonly WarmStartConfig?: object;
  readonly Autotune?: { readonly Mode: string };
}

interface DefinitionMembers {
  readonly DefinitionName?: string;
  readonly TuningObjective?: object;
  readonly HyperParameterRanges?: object;
  readonly StaticHyperParameters?: Readonly<Record<string, string>>;
  readonly ResourceConfig?: object;
  readonly HyperParameterTuningResourceConfig?: {
    readonly InstanceType?: string;
    readonly InstanceCount?: number;
    readonly VolumeSizeInGB?: number;
    readonly VolumeKmsKeyId?: string;
    readonly InstanceConfigs?: readonly object[];
  };
  readonly [member: string]: unknown;
}

const gridJobsDefault = 1000;

/** The shapes were checked before, so no check is repeated here. */
export function tuningMembers(input: AwsInput): TuningMembers {
  return input as unknown as TuningMembers;
}

/** Throws `ValidationException` for unsupported members, and for those that contradict each other. */
export function tuningSpecOf(
  input: AwsInput,
  awsLocation: AwsLocation,
  deps: TrainingSpecDeps,
): { readonly spec: NewTuningSpec; readonly trainingDocument: AwsInput } {
  const members = tuningMembers(input);
  const { HyperParameterTuningJobName: name, HyperParameterTuningJobConfig: config } = members;
  const definition = checkTuningServed(members);
  const { StrategyConfig: strategies, ResourceLimits: limits, TuningJobCompletionCriteria: criteria } = config;
  const { HyperParameterTuningJobObjective: objective } = config;
  if (objective === undefined)
    throw invalidTraining('HyperParameterTuningJobObjective is required: expected the name of a metric, and Minimize or Maximize');
  const jobs = limits.MaxNumberOfTrainingJobs ?? (config.Strategy === 'Grid' ? gridJobsDefault : undefined);
  if (jobs === undefined) throw invalidTraining('ResourceLimits.MaxNumberOfTrainingJobs is required: expected a number of training jobs');
  const { MinResource, MaxResource } = strategies?.HyperbandStrategyConfig ?? {};
  const trainingDocument = definitionDocument(definition);
  const created = { ...trainingDocument, TrainingJobName: `${name}-001`, HyperParameters: definition.StaticHyperParameters ?? {} };
  const spec: NewTuningSpec = {
    ...tuningDefaults,
    name,
    strategy: config.Strategy,
    goal: objective.Type,
    metric: objective.MetricName,
    ranges: rangesOf(config.ParameterRanges ?? {}),
    maxJobs: jobs,
    maxParallel: Math.min(limits.MaxParallelTrainingJobs, jobs),
    maxRuntimeMs: limits.MaxRuntimeInSeconds === undefined ? null : limits.MaxRuntimeInSeconds * 1000,
    stopsEarly: config.TrainingJobEarlyStoppingType === 'Auto',
    resources: { min: MinResource ?? tuningDefaults.resources.min, max: MaxResource ?? tuningDefaults.resources.max },
    target: criteria?.TargetObjectiveMetricValue ?? null,
    notImprovingMax: criteria?.BestObjectiveNotImproving?.MaxNumberOfTrainingJobsNotImproving ?? null,
    seed: config.RandomSeed ?? null,
    training: createdSpecOf(created, {}, awsLocation, deps),
  };
  const TuningJobArn = arnOf(awsLocation, 'hyper-parameter-tuning-job', name);
  return { spec, trainingDocument: { ...trainingDocument, TuningJobArn } };
}

/** Returns the definition of its training jobs. Throws `ValidationException` that names an unsupported member. */
function checkTuningServed(members: TuningMembers): DefinitionMembers {
  const { TrainingJobDefinition: definition, HyperParameterTuningJobConfig: config } = members;
  if (members.TrainingJobDefinitions !== undefined) throw notServed('TrainingJobDefinitions', 'name one TrainingJobDefinition');
  if (members.WarmStartConfig !== undefined) throw notServed('WarmStartConfig', 'start without it');
  if (members.Autotune !== undefined) throw notServed('Autotune', 'name the ParameterRanges');
  if (config.ParameterRanges?.AutoParameters !== undefined) throw notServed('AutoParameters', 'name their ranges');
  if (config.TuningJobCompletionCriteria?.ConvergenceDetected?.CompleteOnConvergence === 'Enabled')
    throw notServed('ConvergenceDetected', 'use BestObjectiveNotImproving');
  if (definition === undefined) throw invalidTraining('TrainingJobDefinition is required: expected what each training job runs');
  if (definition.TuningObjective !== undefined) throw notServed('TuningObjective', 'use HyperParameterTuningJobObjective');
  if (definition.HyperParameterRanges !== undefined) throw notServed('HyperParameterRanges', 'use ParameterRanges of the job');
  if (definition.HyperParameterTuningResourceConfig?.InstanceConfigs !== undefined)
    throw notServed('InstanceConfigs', 'name one InstanceType with InstanceCount 1');
  return definition;
}

function notServed(what: string, todo: string): Error {
  return invalidTraining(`${what} is not supported here: ${todo}.`);
}

/** The members of CreateTrainingJob that all training jobs share. */
function definitionDocument(definition: DefinitionMembers): AwsInput {
  const { DefinitionName: _, StaticHyperParameters: __, HyperParameterTuningResourceConfig: resources, ...shared } = definition;
  if (resources === undefined) return shared;
  const { InstanceType, InstanceCount = 1, VolumeSizeInGB = 30, VolumeKmsKeyId } = resources;
  const key = VolumeKmsKeyId === undefined ? {} : { VolumeKmsKeyId };
  return { ...shared, ResourceConfig: { InstanceType, InstanceCount, VolumeSizeInGB, ...key } };
}

function rangesOf(members: RangesMembers): ParameterRange[] {
  const numeric = (kind: 'continuous' | 'integer') => (range: NumericMembers) => ({
    kind,
    name: range.Name,
    min: numberIn(range.Name, range.MinValue),
    max: numberIn(range.Name, range.MaxValue),
    scaling: range.ScalingType ?? ('Auto' as const),
  });
  return [
    ...(members.ContinuousParameterRanges ?? []).map(numeric('continuous')),
    ...(members.IntegerParameterRanges ?? []).map(numeric('integer')),
    ...(members.CategoricalParameterRanges ?? []).map(({ Name, Values }) => ({ kind: 'categorical' as const, name: Name, values: Values })),
  ];
}

function numberIn(name: string, text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isFinite(value)) return value;
  throw invalidTraining(`ParameterRanges: '${name.slice(0, 80)}' has the bound '${text.slice(0, 80)}': expected a number`);
}

/** The members that a job was created with, or equivalent ones for a job from another API. */
export function createdTuningMembers({ spec, document }: Pick<TuningJob, 'spec' | 'document'>, awsLocation: AwsLocation): AwsInput {
  if (document !== null) return document;
  const {
    HyperParameters: fixed,
    RetryStrategy: retries,
    ModelPackageConfig: _,
    ...shared
  } = trainingMembersOf(spec.training, awsLocation);
  return {
    HyperParameterTuningJobConfig: {
      Strategy: spec.strategy,
      ...(spec.strategy === 'Hyperband'
        ? { StrategyConfig: { HyperbandStrategyConfig: { MinResource: spec.resources.min, MaxResource: spec.resources.max } } }
        : {}),
      HyperParameterTuningJobObjective: { Type: spec.goal, MetricName: spec.metric },
      ResourceLimits: {
        MaxNumberOfTrainingJobs: spec.maxJobs,
        MaxParallelTrainingJobs: spec.maxParallel,
        ...(spec.maxRuntimeMs === null ? {} : { MaxRuntimeInSeconds: Math.ceil(spec.maxRuntimeMs / 1000) }),
      },
      ParameterRanges: rangesMembersOf(spec.ranges),
      TrainingJobEarlyStoppingType: spec.stopsEarly ? 'Auto' : 'Off',
      RandomSeed: spec.seed,
    },
    TrainingJobDefinition: { ...shared, RetryStrategy: retries, StaticHyperParameters: fixed ?? {} },
  };
}

function rangesMembersOf(ranges: readonly ParameterRange[]): AwsOutput {
  const numeric = (wanted: 'continuous' | 'integer') =>
    ranges.flatMap((range) =>
      range.kind === wanted
        ? [{ Name: range.name, MinValue: String(range.min), MaxValue: String(range.max), ScalingType: range.scaling }]
        : [],
    );
  return {
    ContinuousParameterRanges: numeric('continuous'),
    IntegerParameterRanges: numeric('integer'),
    CategoricalParameterRanges: ranges.flatMap((range) =>
      range.kind === 'categorical' ? [{ Name: range.name, Values: range.values }] : [],
    ),
  };
}

/** The members of DescribeHyperParameterTuningJob: as they were sent, with the current state and the best trial. */
export function describeTuning(awsLocation: AwsLocation, job: TuningJob): AwsOutput {
  const { HyperParameterTuningJobName: _, Tags: __, TrainingJobDefinition, ...created } = createdTuningMembers(job, awsLocation);
  const definition = TrainingJobDefinition as DefinitionMembers;
  const best = job.best === null ? null : trialSummary(awsLocation, job, job.best);
  return {
    ...tuningHeading(awsLocation, job),
    ...created,
    // SDKs read the metric from the hyperparameters, to which the service adds it, and the instance type from `ResourceConfig`.
    TrainingJobDefinition: {
      ...definition,
      ResourceConfig: definitionDocument(definition)['ResourceConfig'],
      StaticHyperParameters: { ...definition.StaticHyperParameters, _tuning_objective_metric: job.spec.metric },
    },
    ...(best === null ? {} : { BestTrainingJob: best, OverallBestTrainingJob: best }),
    ...(job.status === 'Failed' && job.reason !== null ? { FailureReason: job.reason } : {}),
  };
}

/** The members of an element of ListHyperParameterTuningJobs. */
export function summarizeTuning(awsLocation: AwsLocation, job: TuningJob): AwsOutput {
  const { spec } = job;
  return {
    ...tuningHeading(awsLocation, job),
    Strategy: spec.strategy,
    ResourceLimits: { MaxNumberOfTrainingJobs: spec.maxJobs, MaxParallelTrainingJobs: spec.maxParallel },
  };
}

function tuningHeading(awsLocation: AwsLocation, { spec, status, counts, createdAtMs, updatedAtMs, endedAtMs }: TuningJob): AwsOutput {
  return {
    HyperParameterTuningJobName: spec.name,
    HyperParameterTuningJobArn: arnOf(awsLocation, 'hyper-parameter-tuning-job', spec.name),
    HyperParameterTuningJobStatus: status,
    CreationTime: new Date(createdAtMs),
    LastModifiedTime: new Date(updatedAtMs),
    ...(endedAtMs === null ? {} : { HyperParameterTuningEndTime: new Date(endedAtMs) }),
    TrainingJobStatusCounters: {
      Completed: counts.completed,
      InProgress: counts.inProgress,
      RetryableError: 0,
      NonRetryableError: counts.failed,
      Stopped: counts.stopped,
    },
    ObjectiveStatusCounters: { Succeeded: counts.judged, Pending: counts.inProgress, Failed: counts.unjudged },
  };
}

/** As in BestTrainingJob and in ListTrainingJobsForHyperParameterTuningJob. */
export function trialSummary(awsLocation: AwsLocation, job: Pick<TuningJob, 'spec' | 'document'>, trial: TuningTrial): AwsOutput {
  const { spec, document } = job;
  const { DefinitionName: definition } = tuningMembers(document ?? {}).TrainingJobDefinition ?? {};
  const isOver = trial.endedAtMs !== null;
  return {
    ...(definition === undefined ? {} : { TrainingJobDefinitionName: definition }),
    TrainingJobName: trial.job,
    TrainingJobArn: arnOf(awsLocation, 'training-job', trial.job),
    CreationTime: new Date(trial.createdAtMs),
    ...(trial.startedAtMs === null ? {} : { TrainingStartTime: new Date(trial.startedAtMs) }),
    ...(trial.endedAtMs === null ? {} : { TrainingEndTime: new Date(trial.endedAtMs) }),
    TrainingJobStatus: trial.status === 'Waiting' ? 'InProgress' : trial.status,
    TunedHyperParameters: trial.values,
    ...(trial.reason === null ? {} : { FailureReason: trial.reason }),
    ...(trial.objective === null
      ? {}
      : { FinalHyperParameterTuningJobObjectiveMetric: { MetricName: spec.metric, Value: trial.objective } }),
    ObjectiveStatus: trial.objective !== null ? 'Succeeded' : isOver ? 'Failed' : 'Pending',
  };
}
