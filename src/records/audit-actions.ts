/** Audited actions by name, each with the kind of resource it acts on. */

/** The kind of thing that an action changes; filters of the audit use it. */
export type ResourceKind =
  | 'access'
  | 'alarm'
  | 'bucket'
  | 'cluster'
  | 'dashboard'
  | 'endpoint'
  | 'endpoint-config'
  | 'environment'
  | 'evaluation'
  | 'evaluation-set'
  | 'host'
  | 'inference-component'
  | 'key'
  | 'log-group'
  | 'model'
  | 'model-card'
  | 'model-group'
  | 'model-version'
  | 'node'
  | 'object'
  | 'pipeline'
  | 'plan'
  | 'processing-job'
  | 'recommendation'
  | 'role'
  | 'rule'
  | 'scalable-target'
  | 'simulation'
  | 'tag'
  | 'trail'
  | 'training-job'
  | 'transform'
  | 'tuning-job';

const resourceKinds = {
  AddTags: 'tag',
  ApplyPipeline: 'pipeline',
  AssumeRole: 'role',
  Authenticate: 'access',
  ContinueUpdate: 'endpoint',
  CordonHost: 'host',
  CreateBucket: 'bucket',
  CreateEndpoint: 'endpoint',
  CreateEndpointConfig: 'endpoint-config',
  CreateEnvironment: 'environment',
  CreateEvaluation: 'evaluation',
  CreateEvaluationSet: 'evaluation-set',
  CreateHyperParameterTuningJob: 'tuning-job',
  CreateInferenceComponent: 'inference-component',
  CreateInferenceRecommendationsJob: 'recommendation',
  CreateJoinToken: 'cluster',
  CreateKey: 'key',
  CreateLogGroup: 'log-group',
  CreateLogStream: 'log-group',
  CreateModel: 'model',
  CreateModelCard: 'model-card',
  CreateModelGroup: 'model-group',
  CreateModelPackage: 'model-version',
  CreateModelPackageGroup: 'model-group',
  CreatePipeline: 'pipeline',
  CreateProcessingJob: 'processing-job',
  CreateTrainingJob: 'training-job',
  CreateTransformJob: 'transform',
  DecideBatching: 'endpoint',
  DeleteAlarms: 'alarm',
  DeleteBaseline: 'endpoint',
  DeleteBucket: 'bucket',
  DeleteDashboards: 'dashboard',
  DeleteEndpoint: 'endpoint',
  DeleteEndpointConfig: 'endpoint-config',
  DeleteEnvironment: 'environment',
  DeleteEvaluationSet: 'evaluation-set',
  DeleteHyperParameterTuningJob: 'tuning-job',
  DeleteInferenceComponent: 'inference-component',
  DeleteLogGroup: 'log-group',
  DeleteLogStream: 'log-group',
  DeleteModel: 'model',
  DeleteModelCard: 'model-card',
  DeleteModelGroup: 'model-group',
  DeleteModelPackage: 'model-version',
  DeleteModelPackageGroup: 'model-group',
  DeleteModelVersion: 'model-version',
  DeletePipeline: 'pipeline',
  DeleteProcessingJob: 'processing-job',
  DeleteRetentionPolicy: 'log-group',
  DeleteRule: 'rule',
  DeleteScalingPolicy: 'scalable-target',
  DeleteScheduledAction: 'scalable-target',
  DeleteSimulation: 'simulation',
  DeleteTags: 'tag',
  DeleteTrainingJob: 'training-job',
  DeregisterScalableTarget: 'scalable-target',
  DisableAlarmActions: 'alarm',
  DisablePipeline: 'pipeline',
  DisableRule: 'rule',
  DrainHost: 'host',
  EnableAlarmActions: 'alarm',
  EnablePipeline: 'pipeline',
  EnableRule: 'rule',
  JoinHost: 'host',
  ListAudit: 'trail',
  ListCallsToLabel: 'endpoint',
  ListJoinTokens: 'cluster',
  ListKeys: 'key',
  LoadEndpoint: 'endpoint',
  LookupEvents: 'trail',
  MeasureFunctionProfile: 'model-version',
  MeasureProfile: 'model-version',
  Plan: 'plan',
  PlanDeployment: 'plan',
  PlanPipeline: 'pipeline',
  PlanSelection: 'plan',
  PreviewModel: 'model-version',
  PutDashboard: 'dashboard',
  PutMetricAlarm: 'alarm',
  PutRetentionPolicy: 'log-group',
  PutRule: 'rule',
  PutScalingPolicy: 'scalable-target',
  PutScheduledAction: 'scalable-target',
  PutTargets: 'rule',
  RegisterModelVersion: 'model-version',
  RegisterScalableTarget: 'scalable-target',
  RejectedCalls: 'access',
  RemoveHost: 'host',
  RemoveNode: 'node',
  RemoveTargets: 'rule',
  ResumeTransformJob: 'transform',
  RevokeJoinToken: 'cluster',
  RevokeKey: 'key',
  RollBackEndpoint: 'endpoint',
  RotateAuthority: 'cluster',
  RotateClusterKey: 'cluster',
  FinishUpgrade: 'cluster',
  ScrubObject: 'object',
  SetAlarmState: 'alarm',
  SetApproval: 'model-version',
  SetBaseline: 'endpoint',
  SignIn: 'access',
  Simulate: 'simulation',
  StartPipelineExecution: 'pipeline',
  StartPipelineRun: 'pipeline',
  StopEvaluation: 'evaluation',
  StopHyperParameterTuningJob: 'tuning-job',
  StopInferenceRecommendationsJob: 'recommendation',
  StopPipelineExecution: 'pipeline',
  StopPipelineRun: 'pipeline',
  StopProcessingJob: 'processing-job',
  StopTrainingJob: 'training-job',
  StopTransformJob: 'transform',
  TagResource: 'scalable-target',
  UncordonHost: 'host',
  UnloadEndpoint: 'endpoint',
  UntagResource: 'scalable-target',
  UpdateEndpoint: 'endpoint',
  UpdateEndpointWeightsAndCapacities: 'endpoint',
  UpdateInferenceComponent: 'inference-component',
  UpdateInferenceComponentRuntimeConfig: 'inference-component',
  UpdateModelCard: 'model-card',
  UpdateModelGroup: 'model-group',
  UpdateModelPackage: 'model-version',
  UpdateModelVersion: 'model-version',
  UpdatePipeline: 'pipeline',
  UpdateScaling: 'endpoint',
  UpdateTrainingJob: 'training-job',
  VerifyAudit: 'trail',
} as const satisfies Record<string, ResourceKind>;

/** `CreateEndpoint`, `SetApproval` */
export type AuditAction = keyof typeof resourceKinds;

/** Whether this server records actions of this name. Records of older servers may have others. */
export function isAuditAction(action: string): action is AuditAction {
  return Object.hasOwn(resourceKinds, action);
}

/** Null for read-only or unknown actions: they are audited only if rejected. */
export function resourceKindOf(action: string): ResourceKind | null {
  return isAuditAction(action) ? resourceKinds[action] : null;
}
