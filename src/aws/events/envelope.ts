/**
 * Converts platform events to EventBridge's format: SageMaker's shapes for endpoints, models, packages and jobs, CloudWatch's for alarms.
 */
import { createHash } from 'node:crypto';
import type { Envelope } from '../../alerts/index.ts';
import type { PlatformEvent } from '../../records/index.ts';
import { arnOf } from '../sagemaker/arn.ts';
import type { AwsLocation, AwsOutput } from '../service.ts';
import { executionEnvelope } from './execution-envelope.ts';
import { memberOf, outward } from './outward.ts';
import { processingEnvelope } from './processing-envelope.ts';
import type { EnvelopeFields, ResourceReader } from './resource-reader.ts';
import { trainingEnvelope } from './training-envelope.ts';
import { tuningEnvelope } from './tuning-envelope.ts';

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

/** The reason of any other endpoint event is not a failure. */
const endpointFailures = new Set(['endpoint.failed', 'endpoint.rolling-back']);

const approvals: Readonly<Record<string, string>> = {
  'version.approved': 'Approved',
  'version.rejected': 'Rejected',
  'version.withdrawn': 'PendingManualApproval',
};

/** Events that are also deployment state changes. */
const deploymentKinds = new Set([
  'endpoint.updating',
  'endpoint.traffic-shifted',
  'endpoint.step-completed',
  'endpoint.update-completed',
  'endpoint.update-rolled-back',
  'endpoint.rolled-back',
  'endpoint.rolling-back',
  'endpoint.in-service',
  'endpoint.failed',
]);

const modelKinds = new Set(['model.created', 'model.deleted']);

/** Events without an AWS shape have the source `penstock`. Some events map to two AWS events, some to none. */
export async function envelopesOf(event: PlatformEvent, awsLocation: AwsLocation, reader: ResourceReader): Promise<Envelope[]> {
  // A model registered with an approval is one change in AWS, covered by the event of its registration.
  if (memberOf(event.detail, 'withRegistration') === true) return [];
  const reported = [
    (await endpointEnvelope(event, awsLocation, reader)) ??
      (await packageEnvelope(event, awsLocation, reader)) ??
      (await transformEnvelope(event, awsLocation, reader)) ??
      (await trainingEnvelope(event, awsLocation, reader)) ??
      (await processingEnvelope(event, awsLocation, reader)) ??
      (await tuningEnvelope(event, awsLocation, reader)) ??
      (await modelEnvelope(event, awsLocation, reader)) ??
      executionEnvelope(event, awsLocation) ??
      alarmEnvelope(event, awsLocation) ??
      nativeEnvelope(event),
    ...(await deploymentEnvelopes(event, awsLocation, reader)),
  ];
  const { account, region } = awsLocation;
  return reported.map(({ source, resources, detail, 'detail-type': type }, index) => {
    const id = index === 0 ? event.id : derivedId(`${event.id}/${index}`);
    return { version: '0', id, 'detail-type': type, source, account, time: secondsOf(event.atMs), region, resources, detail };
  });
}

async function endpointEnvelope(event: PlatformEvent, awsLocation: AwsLocation, resources: ResourceReader): Promise<EnvelopeFields | null> {
  const state = endpointStates[event.kind];
  if (state === undefined) return null;
  const { PendingDeploymentSummary: _later, ...detail } = await endpointDetail(event, awsLocation, resources, state);
  return {
    source: 'aws.sagemaker',
    'detail-type': 'SageMaker Endpoint State Change',
    resources: [arnOf(awsLocation, 'endpoint', event.subject)],
    detail,
  };
}

async function deploymentEnvelopes(event: PlatformEvent, awsLocation: AwsLocation, reader: ResourceReader): Promise<EnvelopeFields[]> {
  if (!deploymentKinds.has(event.kind)) return [];
  const detail = await endpointDetail(event, awsLocation, reader, endpointStates[event.kind] ?? null);
  const resources = [arnOf(awsLocation, 'endpoint', event.subject)];
  return [{ source: 'aws.sagemaker', 'detail-type': 'SageMaker Endpoint Deployment State Change', resources, detail }];
}

/** The output of DescribeEndpoint with the status of the event; if null, with the current status. */
async function endpointDetail(
  { kind, subject, detail, atMs }: PlatformEvent,
  awsLocation: AwsLocation,
  { describe, tagsOf }: ResourceReader,
  state: string | null,
): Promise<AwsOutput> {
  const EndpointArn = arnOf(awsLocation, 'endpoint', subject);
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

async function packageEnvelope(
  { kind, subject, atMs, detail }: PlatformEvent,
  awsLocation: AwsLocation,
  { tagsOf }: ResourceReader,
): Promise<EnvelopeFields | null> {
  if (!kind.startsWith('version.')) return null;
  const [group = '', number] = subject.split('/');
  const version = number === undefined ? null : Number(number);
  const ModelPackageArn = arnOf(awsLocation, 'model-package', group, version);
  const registeredAs = kind === 'version.registered' ? 'PendingManualApproval' : undefined; // Used unless the event says otherwise.
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

async function transformEnvelope(
  { kind, subject, detail, atMs }: PlatformEvent,
  awsLocation: AwsLocation,
  resources: ResourceReader,
): Promise<EnvelopeFields | null> {
  if (!kind.startsWith('transform.')) return null;
  const TransformJobArn = arnOf(awsLocation, 'transform-job', subject);
  const reason = memberOf(detail, 'state') === 'Failed' ? memberOf(detail, 'reason') : null;
  const job: AwsOutput = (await resources.describe('DescribeTransformJob', subject)) ?? {};
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
      Tags: await resources.tagsOf(TransformJobArn),
    },
  };
}

/** SageMaker models have no states besides created and deleted. */
async function modelEnvelope(
  { kind, subject }: PlatformEvent,
  awsLocation: AwsLocation,
  { describe, tagsOf }: ResourceReader,
): Promise<EnvelopeFields | null> {
  if (!modelKinds.has(kind)) return null;
  const ModelArn = arnOf(awsLocation, 'model', subject);
  const described = kind === 'model.deleted' ? null : await describe('DescribeModel', subject);
  return {
    source: 'aws.sagemaker',
    'detail-type': 'SageMaker Model State Change',
    resources: [ModelArn],
    detail: { ...(outward(described ?? {}) as AwsOutput), ModelName: subject, ModelArn, Tags: await tagsOf(ModelArn) },
  };
}

function alarmEnvelope({ kind, subject, detail, atMs }: PlatformEvent, { region, account }: AwsLocation): EnvelopeFields | null {
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

function nativeEnvelope({ kind, subject, detail }: PlatformEvent): EnvelopeFields {
  return { source: 'penstock', 'detail-type': kind, resources: [subject], detail };
}

/** EventBridge's times have a resolution of one second. */
function secondsOf(atMs: number): string {
  return new Date(Math.floor(atMs / 1000) * 1000).toISOString().replace('.000Z', 'Z');
}

/** Events write `InService` as `IN_SERVICE`. */
function upperSnake(status: string): string {
  return status.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase();
}

/** Deterministic, so consumers can detect duplicates. */
function derivedId(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}
