/** Our events as EventBridge would tell them: SageMaker's shapes for endpoints, Models, packages and jobs, CloudWatch's for alarms. */
import { createHash } from 'node:crypto';
import type { Envelope, PlatformEvent } from '../../monitoring/index.ts';
import { arnOf } from '../sagemaker/arn.ts';
import type { AwsOutput, AwsPlace } from '../service.ts';

const endpointStates: Readonly<Record<string, string>> = {
  'endpoint.creating': 'CREATING',
  'endpoint.updating': 'UPDATING',
  'endpoint.in-service': 'IN_SERVICE',
  'endpoint.failed': 'FAILED',
  'endpoint.rolling-back': 'ROLLING_BACK',
  'endpoint.unloaded': 'OUT_OF_SERVICE',
  'endpoint.deleting': 'DELETING',
  'endpoint.deleted': 'DELETED',
};

/** Any other reason tells what an endpoint is about. */
const endpointFailures = new Set(['endpoint.failed', 'endpoint.rolling-back']);

const approvals: Readonly<Record<string, string>> = {
  'version.approved': 'Approved',
  'version.rejected': 'Rejected',
};

/** What a deployment of an endpoint goes through. */
const deploymentKinds = new Set([
  'endpoint.updating',
  'endpoint.traffic-shifted',
  'endpoint.step-watched',
  'endpoint.update-kept',
  'endpoint.update-taken-back',
  'endpoint.rolled-back',
  'endpoint.rolling-back',
  'endpoint.in-service',
  'endpoint.failed',
]);

const modelKinds = new Set(['model.created', 'model.deleted']);

type Told = Pick<Envelope, 'source' | 'detail-type' | 'resources' | 'detail'>;

/** Things as they are by now, in the words of their Describe operations. */
export interface Things {
  /** null where it is gone. */
  readonly describe: (operation: 'DescribeEndpoint' | 'DescribeModel' | 'DescribeTransformJob', name: string) => Promise<AwsOutput | null>;
  /** None where it is gone. */
  readonly tagsOf: (arn: string) => Promise<Readonly<Record<string, string>>>;
}

/** What nobody else has a shape for comes as it is, from the source `penstock`. Some of ours are two of theirs, some none. */
export async function envelopesOf(event: PlatformEvent, place: AwsPlace, things: Things): Promise<Envelope[]> {
  // Who registers a model with an approval makes one change of it, and the event of its registration tells of that.
  if (memberOf(event.detail, 'withRegistration') === true) return [];
  const told = [
    (await endpointTold(event, place, things)) ??
      (await packageTold(event, place, things)) ??
      (await transformTold(event, place, things)) ??
      (await modelTold(event, place, things)) ??
      alarmTold(event, place) ??
      plainTold(event),
    ...(await deploymentTold(event, place, things)),
  ];
  const { account, region } = place;
  return told.map(({ source, resources, detail, 'detail-type': type }, index) => {
    const id = index === 0 ? event.id : derivedId(`${event.id}/${index}`);
    return { version: '0', id, 'detail-type': type, source, account, time: secondsOf(event.atMs), region, resources, detail };
  });
}

async function endpointTold(event: PlatformEvent, place: AwsPlace, things: Things): Promise<Told | null> {
  const state = endpointStates[event.kind];
  if (state === undefined) return null;
  const { PendingDeploymentSummary: _later, ...detail } = await endpointDetail(event, place, things, state);
  return {
    source: 'aws.sagemaker',
    'detail-type': 'SageMaker Endpoint State Change',
    resources: [arnOf(place, 'endpoint', event.subject)],
    detail,
  };
}

async function deploymentTold(event: PlatformEvent, place: AwsPlace, things: Things): Promise<Told[]> {
  if (!deploymentKinds.has(event.kind)) return [];
  const detail = await endpointDetail(event, place, things, endpointStates[event.kind] ?? null);
  const resources = [arnOf(place, 'endpoint', event.subject)];
  return [{ source: 'aws.sagemaker', 'detail-type': 'SageMaker Endpoint Deployment State Change', resources, detail }];
}

/** As DescribeEndpoint tells it, at the status that the event is about; null: at the one that it has by now. */
async function endpointDetail(
  { kind, subject, detail, atMs }: PlatformEvent,
  place: AwsPlace,
  { describe, tagsOf }: Things,
  state: string | null,
): Promise<AwsOutput> {
  const EndpointArn = arnOf(place, 'endpoint', subject);
  const endpoint: AwsOutput = (await describe('DescribeEndpoint', subject)) ?? {};
  const { FailureReason: failure, ...described } = endpoint;
  const reason = endpointFailures.has(kind) ? memberOf(detail, 'reason') : kind === 'endpoint.in-service' ? failure : null;
  return {
    ...(outward(described) as AwsOutput),
    EndpointName: subject,
    EndpointArn,
    EndpointStatus: state ?? upperSnake((described['EndpointStatus'] as string | undefined) ?? 'Updating'),
    ...(typeof reason === 'string' ? { FailureReason: reason } : {}),
    LastModifiedTime: Math.floor(atMs),
    Tags: await tagsOf(EndpointArn),
  };
}

async function packageTold({ kind, subject, atMs, detail }: PlatformEvent, place: AwsPlace, { tagsOf }: Things): Promise<Told | null> {
  if (!kind.startsWith('version.')) return null;
  const [group = '', number] = subject.split('/');
  const version = number === undefined ? null : Number(number);
  const ModelPackageArn = arnOf(place, 'model-package', group, version);
  const registeredAs = kind === 'version.registered' ? 'PendingManualApproval' : undefined; // unless it says otherwise
  const approval = approvals[kind] ?? memberOf(detail, 'approval') ?? registeredAs;
  return {
    source: 'aws.sagemaker',
    'detail-type': 'SageMaker Model Package State Change',
    resources: [ModelPackageArn],
    detail: {
      ModelPackageGroupName: group,
      ModelPackageName: subject,
      ...(version === null ? {} : { ModelPackageVersion: version }),
      ModelPackageArn,
      ModelPackageStatus: kind === 'version.failed' ? 'Failed' : kind === 'version.deleted' ? 'Deleting' : 'Completed',
      ...(typeof approval === 'string' ? { ModelApprovalStatus: approval } : {}),
      LastModifiedTime: new Date(atMs).toISOString(),
      Tags: await tagsOf(ModelPackageArn),
    },
  };
}

async function transformTold({ kind, subject, detail, atMs }: PlatformEvent, place: AwsPlace, things: Things): Promise<Told | null> {
  if (!kind.startsWith('transform.')) return null;
  const TransformJobArn = arnOf(place, 'transform-job', subject);
  const reason = memberOf(detail, 'state') === 'Failed' ? memberOf(detail, 'reason') : null;
  const job: AwsOutput = (await things.describe('DescribeTransformJob', subject)) ?? {};
  const { FailureReason: _failure, ...described } = job;
  return {
    source: 'aws.sagemaker',
    'detail-type': 'SageMaker Transform Job State Change',
    resources: [TransformJobArn],
    detail: {
      ...(outward(described) as AwsOutput),
      TransformJobName: subject,
      TransformJobArn,
      TransformJobStatus: memberOf(detail, 'state'),
      ...(typeof reason === 'string' ? { FailureReason: reason } : {}),
      LastModifiedTime: Math.floor(atMs),
      Tags: await things.tagsOf(TransformJobArn),
    },
  };
}

/** Made or deleted: SageMaker's Models have no other states. */
async function modelTold({ kind, subject }: PlatformEvent, place: AwsPlace, { describe, tagsOf }: Things): Promise<Told | null> {
  if (!modelKinds.has(kind)) return null;
  const ModelArn = arnOf(place, 'model', subject);
  const described = kind === 'model.deleted' ? null : await describe('DescribeModel', subject);
  return {
    source: 'aws.sagemaker',
    'detail-type': 'SageMaker Model State Change',
    resources: [ModelArn],
    detail: { ...(outward(described ?? {}) as AwsOutput), ModelName: subject, ModelArn, Tags: await tagsOf(ModelArn) },
  };
}

function alarmTold({ kind, subject, detail, atMs }: PlatformEvent, { region, account }: AwsPlace): Told | null {
  if (kind !== 'alarm.state-changed') return null;
  const timestamp = new Date(atMs).toISOString();
  return {
    source: 'aws.cloudwatch',
    'detail-type': 'CloudWatch Alarm State Change',
    resources: [`arn:aws:cloudwatch:${region}:${account}:alarm:${subject}`],
    detail: {
      alarmName: subject,
      state: { value: memberOf(detail, 'newState'), reason: memberOf(detail, 'reason'), timestamp },
      previousState: { value: memberOf(detail, 'oldState') },
    },
  };
}

function plainTold({ kind, subject, detail }: PlatformEvent): Told {
  return { source: 'penstock', 'detail-type': kind, resources: [subject], detail };
}

function memberOf(detail: unknown, name: string): unknown {
  return typeof detail === 'object' && detail !== null && Object.hasOwn(detail, name)
    ? (detail as Record<string, unknown>)[name]
    : undefined;
}

/** EventBridge tells whole seconds. */
function secondsOf(atMs: number): string {
  return new Date(Math.floor(atMs / 1000) * 1000).toISOString().replace('.000Z', 'Z');
}

/** Times in epoch milliseconds, as SageMaker's events have them; without environments, whose values may be secret. */
function outward(value: unknown): unknown {
  if (value instanceof Date) return value.getTime();
  if (Array.isArray(value)) return value.map(outward);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).filter(([name]) => name !== 'Environment');
  return Object.fromEntries(members.map(([name, each]) => [name, outward(each)] as const));
}

/** `InService` as events have it: `IN_SERVICE`. */
function upperSnake(status: string): string {
  return status.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase();
}

/** The same each time it is asked for, so that who hears an event twice can tell. */
function derivedId(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}
