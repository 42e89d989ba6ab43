/** How AWS names what the audit tells of: the service that was called, and the kind of thing that it was about. */
import { type AuditRecord, type Thing, thingOf } from '../../monitoring/index.ts';
import type { AwsServiceName } from '../service.ts';

/** Application Auto Scaling's events bear the name of EC2's Auto Scaling, as AWS's own examples have it. */
const sources = {
  sagemaker: 'sagemaker.amazonaws.com',
  'sagemaker-runtime': 'sagemaker.amazonaws.com',
  'application-autoscaling': 'autoscaling.amazonaws.com',
  cloudwatch: 'monitoring.amazonaws.com',
  logs: 'logs.amazonaws.com',
  cloudtrail: 'cloudtrail.amazonaws.com',
  events: 'events.amazonaws.com',
  s3: 's3.amazonaws.com',
  sts: 'sts.amazonaws.com',
  iam: 'iam.amazonaws.com',
  signin: 'signin.amazonaws.com',
} as const satisfies Record<AwsServiceName | 'iam' | 'signin', string>;

interface Named {
  readonly service: keyof typeof sources;
  /** Null where AWS has no such thing. */
  readonly type: string | null;
}

const names = {
  access: { service: 'signin', type: 'AWS::IAM::AccessKey' },
  alarm: { service: 'cloudwatch', type: 'AWS::CloudWatch::Alarm' },
  bucket: { service: 's3', type: 'AWS::S3::Bucket' },
  dashboard: { service: 'cloudwatch', type: 'AWS::CloudWatch::Dashboard' },
  endpoint: { service: 'sagemaker', type: 'AWS::SageMaker::Endpoint' },
  'endpoint-config': { service: 'sagemaker', type: 'AWS::SageMaker::EndpointConfig' },
  'inference-component': { service: 'sagemaker', type: 'AWS::SageMaker::InferenceComponent' },
  key: { service: 'iam', type: 'AWS::IAM::AccessKey' },
  'log-group': { service: 'logs', type: 'AWS::Logs::LogGroup' },
  model: { service: 'sagemaker', type: 'AWS::SageMaker::Model' },
  'model-card': { service: 'sagemaker', type: 'AWS::SageMaker::ModelCard' },
  'model-group': { service: 'sagemaker', type: 'AWS::SageMaker::ModelPackageGroup' },
  'model-version': { service: 'sagemaker', type: 'AWS::SageMaker::ModelPackage' },
  plan: { service: 'sagemaker', type: null },
  recommendation: { service: 'sagemaker', type: 'AWS::SageMaker::InferenceRecommendationsJob' },
  rule: { service: 'events', type: 'AWS::Events::Rule' },
  'scalable-target': { service: 'application-autoscaling', type: 'AWS::ApplicationAutoScaling::ScalableTarget' },
  simulation: { service: 'sagemaker', type: null },
  tag: { service: 'sagemaker', type: null },
  trail: { service: 'cloudtrail', type: 'AWS::CloudTrail::Trail' },
  transform: { service: 'sagemaker', type: 'AWS::SageMaker::TransformJob' },
} as const satisfies Record<Thing, Named>;

/** `logs.amazonaws.com`. What is no deed here was asked for and refused: its record says of which service. */
export function eventSourceOf({ action, detail }: Pick<AuditRecord, 'action' | 'detail'>): string {
  const thing = thingOf(action);
  if (thing !== null) return sources[names[thing].service];
  const service = typeof detail === 'object' && detail !== null && 'service' in detail ? detail.service : undefined;
  return typeof service === 'string' && Object.hasOwn(sources, service) ? sources[service as keyof typeof sources] : sources.sagemaker;
}

/** `AWS::Logs::LogGroup` */
export function resourceTypeOf(action: string): string | null {
  const thing = thingOf(action);
  return thing === null ? null : names[thing].type;
}

/** Looks are in the audit where they were refused. */
export function isReadOnly(action: string): boolean {
  return /^(?:Describe|List|Get|Head|BatchGet|BatchDescribe|Lookup|Filter|Search|Test|Query|Verify)/.test(action);
}
