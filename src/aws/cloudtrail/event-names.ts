/** How AWS names what the audit tells of: what was called, of which service, about which kind of thing, and how it was refused. Pure. */
import { type AuditRecord, type Deed, isDeed, type Thing, thingOf } from '../../monitoring/index.ts';
import type { AwsServiceName } from '../service.ts';
import { type CodeAndStatus, type ErrorForm, errorCodes, refusalCodes } from '../wire/error-codes.ts';

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

/** What AWS calls deeds that have other names here. Of several it is the first; of those that came by AWS's door the call tells. */
const eventNames: Readonly<Partial<Record<Deed, readonly [string, ...string[]]>>> = {
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

/** What was called; `CreateModelPackage`, also where the deed came by another door than AWS's; the own name of a deed that AWS does not know. */
export function eventNameOf({ action, origin }: Pick<AuditRecord, 'action' | 'origin'>): string {
  return origin?.operation ?? namesOf(action)[0] ?? action;
}

/** Whether the deed is what was called for, rather than what that took: CreateModel registers a version, too. */
export function isCallsOwn({ action, origin }: Pick<AuditRecord, 'action' | 'origin'>): boolean {
  return origin?.operation === action || namesOf(action).some((name) => name === origin?.operation);
}

function namesOf(action: string): readonly string[] {
  return (isDeed(action) ? eventNames[action] : undefined) ?? [];
}

/** Under which the audit may have events of this name. */
export function actionsNamed(eventName: string): string[] {
  const others = Object.entries(eventNames).flatMap(([action, known]) => (known.includes(eventName) ? [action] : []));
  return [...new Set([eventName, ...others])];
}

type Said = Pick<AuditRecord, 'action' | 'origin' | 'detail'>;

/** What is no deed here was asked for and refused: its record says of which service. */
function serviceOf(record: Said): keyof typeof sources {
  const thing = thingOf(eventNameOf(record)) ?? thingOf(record.action);
  if (thing !== null) return names[thing].service;
  const service = textIn(record.detail, 'service');
  return service !== null && Object.hasOwn(sources, service) ? (service as keyof typeof sources) : 'sagemaker';
}

/** `logs.amazonaws.com` */
export function eventSourceOf(record: Said): string {
  return sources[serviceOf(record)];
}

const arnThings: Readonly<Record<string, Thing>> = {
  endpoint: 'endpoint',
  'endpoint-config': 'endpoint-config',
  'inference-component': 'inference-component',
  'inference-recommendations-job': 'recommendation',
  model: 'model',
  'model-card': 'model-card',
  'model-package': 'model-version',
  'model-package-group': 'model-group',
  'transform-job': 'transform',
};

/** Tags are on whatever the ARN names that was asked with. */
function taggedThing({ origin, detail }: Pick<AuditRecord, 'origin'> & { readonly detail?: unknown }): Thing | null {
  const arn = textIn(origin?.parameters, 'resourceArn') ?? textIn(detail, 'ResourceArn') ?? '';
  return arnThings[/^arn:[^:]*:sagemaker:[^:]*:[^:]*:([\w-]+)\//.exec(arn)?.[1] ?? ''] ?? null;
}

/** `AWS::Logs::LogGroup` */
export function resourceTypeOf(record: Pick<AuditRecord, 'action' | 'origin'> & { readonly detail?: unknown }): string | null {
  const things = [thingOf(eventNameOf(record)), thingOf(record.action), taggedThing(record)];
  return things.flatMap((thing) => (thing === null ? [] : [names[thing].type])).find((type) => type !== null) ?? null;
}

/** `ValidationException`; null where it was done. Doors other than AWS's have the platform's code only. */
export function errorCodeOf(record: Said & Pick<AuditRecord, 'outcome'>): string | null {
  const { outcome, detail } = record;
  if (outcome === 'ok') return null;
  const service = serviceOf(record);
  const refusals: Readonly<Record<string, CodeAndStatus>> = refusalCodes[formOf(service)];
  const told = textIn(detail, 'code') ?? (outcome === 'unauthenticated' ? 'unknown-access-key' : outcome);
  if (Object.hasOwn(refusals, told)) return refusals[told]?.code ?? null;
  const codes: Readonly<Record<string, CodeAndStatus>> = service === 'iam' || service === 'signin' ? errorCodes.sts : errorCodes[service];
  return Object.hasOwn(codes, told) ? (codes[told]?.code ?? null) : told;
}

function formOf(service: keyof typeof sources): ErrorForm {
  if (service === 's3') return 'rest-xml';
  return service === 'sts' || service === 'iam' || service === 'signin' ? 'query' : 'json-1.1';
}

function textIn(detail: unknown, member: string): string | null {
  const value = typeof detail === 'object' && detail !== null ? (detail as Readonly<Record<string, unknown>>)[member] : undefined;
  return typeof value === 'string' ? value : null;
}

/** Looks are in the audit where they were refused. */
export function isReadOnly(eventName: string): boolean {
  return /^(?:Describe|List|Get|Head|BatchGet|BatchDescribe|Lookup|Filter|Search|Test|Query|Verify)/.test(eventName);
}
