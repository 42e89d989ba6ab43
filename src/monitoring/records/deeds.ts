/** What may be done here, by the names under which the audit has it, and to what kind of thing. */

export type Thing =
  | 'access'
  | 'alarm'
  | 'bucket'
  | 'dashboard'
  | 'endpoint'
  | 'endpoint-config'
  | 'inference-component'
  | 'key'
  | 'log-group'
  | 'model'
  | 'model-card'
  | 'model-group'
  | 'model-version'
  | 'plan'
  | 'recommendation'
  | 'rule'
  | 'scalable-target'
  | 'simulation'
  | 'tag'
  | 'trail'
  | 'transform';

const things = {
  AddTags: 'tag',
  Authenticate: 'access',
  CreateBucket: 'bucket',
  CreateEndpoint: 'endpoint',
  CreateEndpointConfig: 'endpoint-config',
  CreateInferenceComponent: 'inference-component',
  CreateInferenceRecommendationsJob: 'recommendation',
  CreateKey: 'key',
  CreateLogGroup: 'log-group',
  CreateLogStream: 'log-group',
  CreateModel: 'model',
  CreateModelCard: 'model-card',
  CreateModelGroup: 'model-group',
  CreateModelPackage: 'model-version',
  CreateModelPackageGroup: 'model-group',
  CreateTransformJob: 'transform',
  DecideBatching: 'endpoint',
  DeleteAlarms: 'alarm',
  DeleteBaseline: 'endpoint',
  DeleteBucket: 'bucket',
  DeleteDashboards: 'dashboard',
  DeleteEndpoint: 'endpoint',
  DeleteEndpointConfig: 'endpoint-config',
  DeleteInferenceComponent: 'inference-component',
  DeleteLogGroup: 'log-group',
  DeleteLogStream: 'log-group',
  DeleteModel: 'model',
  DeleteModelCard: 'model-card',
  DeleteModelGroup: 'model-group',
  DeleteModelPackage: 'model-version',
  DeleteModelPackageGroup: 'model-group',
  DeleteModelVersion: 'model-version',
  DeleteRetentionPolicy: 'log-group',
  DeleteRule: 'rule',
  DeleteScalingPolicy: 'scalable-target',
  DeleteScheduledAction: 'scalable-target',
  DeleteSimulation: 'simulation',
  DeleteTags: 'tag',
  DeregisterScalableTarget: 'scalable-target',
  DisableAlarmActions: 'alarm',
  DisableRule: 'rule',
  EnableAlarmActions: 'alarm',
  EnableRule: 'rule',
  ListAudit: 'trail',
  ListKeys: 'key',
  LoadEndpoint: 'endpoint',
  LookupEvents: 'trail',
  MeasureFunctionProfile: 'model-version',
  MeasureProfile: 'model-version',
  Plan: 'plan',
  PlanDeployment: 'plan',
  PreviewModel: 'model-version',
  PutDashboard: 'dashboard',
  PutMetricAlarm: 'alarm',
  PutRetentionPolicy: 'log-group',
  PutRule: 'rule',
  PutScalingPolicy: 'scalable-target',
  PutScheduledAction: 'scalable-target',
  PutTargets: 'rule',
  RefusedCalls: 'access',
  RegisterModelVersion: 'model-version',
  RegisterScalableTarget: 'scalable-target',
  RemoveTargets: 'rule',
  ResumeTransformJob: 'transform',
  RevokeKey: 'key',
  RollBackEndpoint: 'endpoint',
  SetAlarmState: 'alarm',
  SetApproval: 'model-version',
  SetBaseline: 'endpoint',
  SignIn: 'access',
  Simulate: 'simulation',
  StopInferenceRecommendationsJob: 'recommendation',
  StopTransformJob: 'transform',
  TagResource: 'scalable-target',
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
  UpdateScaling: 'endpoint',
  VerifyAudit: 'trail',
} as const satisfies Record<string, Thing>;

/** `CreateEndpoint`, `SetApproval` */
export type Deed = keyof typeof things;

export function isDeed(action: string): action is Deed {
  return Object.hasOwn(things, action);
}

/** Null of a call that only looks, or that nobody here knows: it can be asked for, and refused. */
export function thingOf(action: string): Thing | null {
  return isDeed(action) ? things[action] : null;
}
