/** Maps audit records to AWS's names: event name, service, resource type and error code. Pure. */
import { type AuditAction, type AuditRecord, isAuditAction, type ResourceKind, resourceKindOf } from '../../records/index.ts';
import type { AwsServiceName } from '../service.ts';
import { type CodeAndStatus, type ErrorForm, errorCodes, rejectionCodes } from '../wire/error-codes.ts';

/** Application Auto Scaling uses the event source of EC2 Auto Scaling, as in AWS's examples. */
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
} as const satisfies Record<AwsServiceName | 'signin', string>;

interface Named {
  readonly service: keyof typeof sources;
  /** Null for resources without an AWS type. */
  readonly type: string | null;
}

const names = {
  access: { service: 'signin', type: 'AWS::IAM::AccessKey' },
  alarm: { service: 'cloudwatch', type: 'AWS::CloudWatch::Alarm' },
  bucket: { service: 's3', type: 'AWS::S3::Bucket' },
  cluster: { service: 'sagemaker', type: null },
  dashboard: { service: 'cloudwatch', type: 'AWS::CloudWatch::Dashboard' },
  endpoint: { service: 'sagemaker', type: 'AWS::SageMaker::Endpoint' },
  'endpoint-config': { service: 'sagemaker', type: 'AWS::SageMaker::EndpointConfig' },
  environment: { service: 'sagemaker', type: null },
  evaluation: { service: 'sagemaker', type: null },
  'evaluation-set': { service: 'sagemaker', type: null },
  host: { service: 'sagemaker', type: null },
  'inference-component': { service: 'sagemaker', type: 'AWS::SageMaker::InferenceComponent' },
  key: { service: 'iam', type: 'AWS::IAM::AccessKey' },
  'log-group': { service: 'logs', type: 'AWS::Logs::LogGroup' },
  model: { service: 'sagemaker', type: 'AWS::SageMaker::Model' },
  'model-card': { service: 'sagemaker', type: 'AWS::SageMaker::ModelCard' },
  'model-group': { service: 'sagemaker', type: 'AWS::SageMaker::ModelPackageGroup' },
  'model-version': { service: 'sagemaker', type: 'AWS::SageMaker::ModelPackage' },
  node: { service: 'sagemaker', type: null },
  object: { service: 's3', type: 'AWS::S3::Object' },
  pipeline: { service: 'sagemaker', type: 'AWS::SageMaker::Pipeline' },
  plan: { service: 'sagemaker', type: null },
  'processing-job': { service: 'sagemaker', type: 'AWS::SageMaker::ProcessingJob' },
  recommendation: { service: 'sagemaker', type: 'AWS::SageMaker::InferenceRecommendationsJob' },
  role: { service: 'sts', type: 'AWS::IAM::Role' },
  rule: { service: 'events', type: 'AWS::Events::Rule' },
  'scalable-target': { service: 'application-autoscaling', type: 'AWS::ApplicationAutoScaling::ScalableTarget' },
  simulation: { service: 'sagemaker', type: null },
  tag: { service: 'sagemaker', type: null },
  trail: { service: 'cloudtrail', type: 'AWS::CloudTrail::Trail' },
  'training-job': { service: 'sagemaker', type: 'AWS::SageMaker::TrainingJob' },
  transform: { service: 'sagemaker', type: 'AWS::SageMaker::TransformJob' },
  'tuning-job': { service: 'sagemaker', type: 'AWS::SageMaker::HyperParameterTuningJob' },
} as const satisfies Record<ResourceKind, Named>;

const scaling = [
  'RegisterScalableTarget',
  'DeregisterScalableTarget',
  'PutScalingPolicy',
  'DeleteScalingPolicy',
  'PutScheduledAction',
  'DeleteScheduledAction',
  'TagResource',
  'UntagResource',
] as const;

/** AWS names of actions that are named differently here. The first one is the default; calls to the AWS APIs record their own operation. */
const eventNames: Readonly<Partial<Record<AuditAction, readonly [string, ...string[]]>>> = {
  CreateKey: ['CreateAccessKey'],
  CreateModelGroup: ['CreateModelPackageGroup'],
  DeleteModelGroup: ['DeleteModelPackageGroup'],
  DeleteModelVersion: ['DeleteModelPackage'],
  ListAudit: ['LookupEvents'],
  ListKeys: ['ListAccessKeys'],
  RegisterModelVersion: ['CreateModelPackage'],
  RevokeKey: ['DeleteAccessKey'],
  SetApproval: ['UpdateModelPackage'],
  SignIn: ['ConsoleLogin'],
  UpdateEndpoint: ['UpdateEndpoint', 'UpdateEndpointWeightsAndCapacities', ...scaling],
  UpdateModelGroup: ['AddTags', 'DeleteTags', 'CreateModelPackageGroup'],
  UpdateModelVersion: ['UpdateModelPackage', 'AddTags', 'DeleteTags'],
  UpdateScaling: scaling,
};

/** The operation of the AWS API if the call used it, otherwise the AWS name of the action, otherwise the action itself. */
export function eventNameOf({ action, origin }: Pick<AuditRecord, 'action' | 'origin'>): string {
  return origin?.operation ?? namesOf(action)[0] ?? action;
}

/** Whether this is the action that the call requested, not a side effect: CreateModel also registers a version. */
export function isPrimaryAction({ action, origin }: Pick<AuditRecord, 'action' | 'origin'>): boolean {
  return origin?.operation === action || namesOf(action).some((name) => name === origin?.operation);
}

function namesOf(action: string): readonly string[] {
  return (isAuditAction(action) ? eventNames[action] : undefined) ?? [];
}

/** The audit actions whose events may have this name. */
export function actionsByEventName(eventName: string): string[] {
  const others = Object.entries(eventNames).flatMap(([action, known]) => (known.includes(eventName) ? [action] : []));
  return [...new Set([eventName, ...others])];
}

type EventRecord = Pick<AuditRecord, 'action' | 'origin' | 'detail'>;

/** Operations of this name exist in several services: the ARN decides. */
function taggedService({ origin }: EventRecord): 'cloudwatch' | 'logs' | null {
  const arn = textIn(origin?.parameters, 'resourceARN') ?? textIn(origin?.parameters, 'resourceArn') ?? '';
  return (/^arn:[^:]*:(cloudwatch|logs):/.exec(arn)?.[1] as 'cloudwatch' | 'logs' | undefined) ?? null;
}

/** A rejected operation that is not an audit action carries its service in the record. */
function serviceOf(record: EventRecord): keyof typeof sources {
  const tagged = taggedService(record);
  if (tagged !== null) return tagged;
  const resource = resourceKindOf(eventNameOf(record)) ?? resourceKindOf(record.action);
  if (resource !== null) return names[resource].service;
  const service = textIn(record.detail, 'service');
  return service !== null && Object.hasOwn(sources, service) ? (service as keyof typeof sources) : 'sagemaker';
}

/** `logs.amazonaws.com` */
export function eventSourceOf(record: EventRecord): string {
  return sources[serviceOf(record)];
}

const arnResources: Readonly<Record<string, ResourceKind>> = {
  endpoint: 'endpoint',
  'hyper-parameter-tuning-job': 'tuning-job',
  'endpoint-config': 'endpoint-config',
  'inference-component': 'inference-component',
  'inference-recommendations-job': 'recommendation',
  model: 'model',
  'model-card': 'model-card',
  'model-package': 'model-version',
  'model-package-group': 'model-group',
  pipeline: 'pipeline',
  'processing-job': 'processing-job',
  'training-job': 'training-job',
  'transform-job': 'transform',
};

/** The resource of a tag operation follows from the ARN in its parameters. */
function taggedResource({ origin, detail }: Pick<AuditRecord, 'origin'> & { readonly detail?: unknown }): ResourceKind | null {
  const arn = textIn(origin?.parameters, 'resourceArn') ?? textIn(detail, 'ResourceArn') ?? '';
  return arnResources[/^arn:[^:]*:sagemaker:[^:]*:[^:]*:([\w-]+)\//.exec(arn)?.[1] ?? ''] ?? null;
}

/** `AWS::Logs::LogGroup` */
export function resourceTypeOf(record: Pick<AuditRecord, 'action' | 'origin'> & { readonly detail?: unknown }): string | null {
  const resources = [resourceKindOf(eventNameOf(record)), resourceKindOf(record.action), taggedResource(record)];
  return resources.flatMap((resource) => (resource === null ? [] : [names[resource].type])).find((type) => type !== null) ?? null;
}

/** `ValidationException`; null for a success. Calls to other APIs have only the platform's error code. */
export function errorCodeOf(record: EventRecord & Pick<AuditRecord, 'outcome'>): string | null {
  const { outcome, detail } = record;
  if (outcome === 'ok') return null;
  const service = serviceOf(record);
  const refusals: Readonly<Record<string, CodeAndStatus>> = rejectionCodes[formOf(service)];
  const reported = textIn(detail, 'code') ?? (outcome === 'unauthenticated' ? 'unknown-access-key' : outcome);
  if (Object.hasOwn(refusals, reported)) return refusals[reported]?.code ?? null;
  const codes: Readonly<Record<string, CodeAndStatus>> = service === 'signin' ? errorCodes.sts : errorCodes[service];
  return Object.hasOwn(codes, reported) ? (codes[reported]?.code ?? null) : reported;
}

function formOf(service: keyof typeof sources): ErrorForm {
  if (service === 's3') return 'rest-xml';
  return service === 'sts' || service === 'iam' || service === 'signin' ? 'query' : 'json-1.1';
}

function textIn(detail: unknown, member: string): string | null {
  const value = typeof detail === 'object' && detail !== null ? (detail as Readonly<Record<string, unknown>>)[member] : undefined;
  return typeof value === 'string' ? value : null;
}

/** The audit contains reads only if they were rejected. */
export function isReadOnly(eventName: string): boolean {
  return /^(?:Describe|List|Get|Head|BatchGet|BatchDescribe|Lookup|Filter|Search|Test|Query|Verify|SimulatePrincipal)/.test(eventName);
}
