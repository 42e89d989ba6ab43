/** Our events as EventBridge would tell them: SageMaker's shapes for endpoints and packages, CloudWatch's for alarms. Pure. */
import type { Envelope, PlatformEvent } from '../../monitoring/index.ts';
import { arnOf } from '../sagemaker/arn.ts';
import type { AwsPlace } from '../service.ts';

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
  'version.registered': 'PendingManualApproval',
  'version.approved': 'Approved',
  'version.rejected': 'Rejected',
};

type Told = Pick<Envelope, 'source' | 'detail-type' | 'resources' | 'detail'>;

/** What nobody else has a shape for comes as it is, from the source `penstock`. */
export function envelopeOf(event: PlatformEvent, place: AwsPlace): Envelope {
  const { account, region } = place;
  const {
    source,
    resources,
    detail,
    'detail-type': type,
  } = endpointTold(event, place) ?? packageTold(event, place) ?? transformTold(event, place) ?? alarmTold(event, place) ?? plainTold(event);
  return { version: '0', id: event.id, 'detail-type': type, source, account, time: secondsOf(event.atMs), region, resources, detail };
}

function endpointTold({ kind, subject, detail, atMs }: PlatformEvent, place: AwsPlace): Told | null {
  const state = endpointStates[kind];
  if (state === undefined) return null;
  const EndpointArn = arnOf(place, 'endpoint', subject);
  const reason = endpointFailures.has(kind) ? memberOf(detail, 'reason') : null;
  return {
    source: 'aws.sagemaker',
    'detail-type': 'SageMaker Endpoint State Change',
    resources: [EndpointArn],
    detail: {
      EndpointName: subject,
      EndpointArn,
      EndpointStatus: state,
      ...(typeof reason === 'string' ? { FailureReason: reason } : {}),
      LastModifiedTime: Math.floor(atMs),
      Tags: {},
    },
  };
}

function packageTold({ kind, subject, atMs, detail }: PlatformEvent, place: AwsPlace): Told | null {
  if (!kind.startsWith('version.')) return null;
  const [group = '', number] = subject.split('/');
  const version = number === undefined ? null : Number(number);
  const ModelPackageArn = arnOf(place, 'model-package', group, version);
  const approval = approvals[kind] ?? memberOf(detail, 'approval');
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
      Tags: {},
    },
  };
}

function transformTold({ kind, subject, detail, atMs }: PlatformEvent, place: AwsPlace): Told | null {
  if (!kind.startsWith('transform.')) return null;
  const TransformJobArn = arnOf(place, 'transform-job', subject);
  const reason = memberOf(detail, 'state') === 'Failed' ? memberOf(detail, 'reason') : null;
  return {
    source: 'aws.sagemaker',
    'detail-type': 'SageMaker Transform Job State Change',
    resources: [TransformJobArn],
    detail: {
      TransformJobName: subject,
      TransformJobArn,
      TransformJobStatus: memberOf(detail, 'state'),
      ...(typeof reason === 'string' ? { FailureReason: reason } : {}),
      LastModifiedTime: Math.floor(atMs),
      Tags: {},
    },
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
