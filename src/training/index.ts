export { jobOfTask } from './attempts/attempt-place.ts';
export { withSameData } from './attempts/captured-data.ts';
export { type JobKind, jobKindOf, jobLogGroups, jobNameOf, processingJobId } from './job-kind.ts';
export { type OpenTrainingDeps, openTraining } from './open-training.ts';
export { openPipelines } from './pipelines/open-pipelines.ts';
export type { Pipeline, PipelineGit, PipelineRun, PipelineTrigger } from './pipelines/pipeline.ts';
export { pipelineSteps, stepsOf } from './pipelines/pipeline-spec.ts';
export type { PipelinePlan, Pipelines } from './pipelines/pipelines.ts';
export { yamlBytesMax } from './pipelines/yaml-members.ts';
export {
  type ChannelSource,
  capturedRowsDefault,
  channelDefaults,
  checkpointPathDefault,
  checkTrainingSpec,
  type JobOutput,
  type TrainingChannel,
  type TrainingMetric,
  type TrainingSpec,
  trainingDefaults,
  trainingLimits,
} from './spec.ts';
export {
  type AddedSource,
  type NewTrainingJob,
  type SecondaryStatus,
  type Training,
  type TrainingJob,
  type TrainingJobFilter,
  type TrainingMetricValue,
  type TrainingOutputLine,
  type TrainingOutputPage,
  type TrainingStatus,
  type TrainingTransition,
  type TrainingUsage,
  trainingLogGroup,
  trainingLogStream,
  trainingMetricsNamespace,
} from './training-job.ts';
export { type OpenTuningDeps, openTuning } from './tuning/open-tuning.ts';
export { type ParameterRange, type RangeScaling, rangeLimits } from './tuning/parameter-ranges.ts';
export type { ParameterValues, TuningGoal, TuningStrategy } from './tuning/search.ts';
export type { NewTuningSpec, TrialStatus, Tuning, TuningJob, TuningSpec, TuningStatus, TuningTrial } from './tuning/tuning-job.ts';
export { checkTuningSpec, tuningDefaults, tuningLimits } from './tuning/tuning-spec.ts';
export { trainingBucket, uploadMark, uploadsFolder } from './uploaded-data.ts';
