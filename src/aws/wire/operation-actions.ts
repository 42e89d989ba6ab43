/** Every AWS operation and the action it performs. The router refuses to start with an operation that is not listed. */
import assert from 'node:assert/strict';
import { type Action, type Permission, permissionFor } from '../../access/index.ts';
import type { AwsInput, AwsService, AwsServiceName } from '../service.ts';

/** Used if the action depends on the input. */
type ActionOf = (input: AwsInput) => Action;

/** A package registered with a status other than PendingManualApproval is approved or rejected by the same call. */
const registering: ActionOf = ({ ModelApprovalStatus: status }) =>
  status === undefined || status === 'PendingManualApproval' ? 'register version' : 'approve version';

const updating: ActionOf = ({ ModelApprovalStatus: status, ApprovalDescription: note }) =>
  status === undefined && note === undefined ? 'update version' : 'approve version';

/** S3 has its own table. */
type ListedServiceName = Exclude<AwsServiceName, 's3'>;

/** Covers all operations of the runtime, because it is checked before the path is parsed. */
export const runtimeAction = 'invoke endpoint' satisfies Action;

/** Null if any valid key may call the operation. */
export const operationActions: Readonly<Record<ListedServiceName, Readonly<Record<string, Action | ActionOf | null>>>> = {
  sagemaker: {
    ListModelPackageGroups: 'read model groups',
    DescribeModelPackageGroup: 'read model groups',
    CreateModelPackageGroup: 'create model group',
    DeleteModelPackageGroup: 'delete model group',
    ListModelPackages: 'read model versions',
    DescribeModelPackage: 'read model versions',
    BatchDescribeModelPackage: 'read model versions',
    CreateModelPackage: registering,
    UpdateModelPackage: updating,
    DeleteModelPackage: 'delete version',
    ListModels: 'read model versions',
    DescribeModel: 'read model versions',
    CreateModel: 'register version', // Approving needs a second permission, checked in sagemaker/model-imports.ts.
    DeleteModel: 'delete version',
    Search: 'read endpoints', // Packages need the permission read as well.
    ListTags: 'read tags',
    AddTags: 'tag registry or endpoint',
    DeleteTags: 'tag registry or endpoint',
    ListEndpointConfigs: 'read endpoints',
    DescribeEndpointConfig: 'read endpoints',
    CreateEndpointConfig: 'create endpoint',
    DeleteEndpointConfig: 'delete endpoint',
    ListEndpoints: 'read endpoints',
    DescribeEndpoint: 'read endpoints',
    CreateEndpoint: 'create endpoint',
    UpdateEndpoint: 'update endpoint',
    UpdateEndpointWeightsAndCapacities: 'update endpoint',
    DeleteEndpoint: 'delete endpoint',
    ListTransformJobs: 'read transforms',
    DescribeTransformJob: 'read transforms',
    CreateTransformJob: 'transform',
    StopTransformJob: 'transform',
  },
  'sagemaker-runtime': {
    InvokeEndpoint: runtimeAction,
    InvokeEndpointAsync: runtimeAction,
    InvokeEndpointWithResponseStream: runtimeAction,
  },
  'application-autoscaling': {
    DescribeScalableTargets: 'read scaling',
    DescribeScalingActivities: 'read scaling',
    DescribeScalingPolicies: 'read scaling',
    DescribeScheduledActions: 'read scaling',
    GetPredictiveScalingForecast: 'read scaling',
    ListTagsForResource: 'read tags',
    RegisterScalableTarget: 'scale endpoint',
    DeregisterScalableTarget: 'scale endpoint',
    PutScalingPolicy: 'scale endpoint',
    DeleteScalingPolicy: 'scale endpoint',
    PutScheduledAction: 'scale endpoint',
    DeleteScheduledAction: 'scale endpoint',
    TagResource: 'tag scalable target',
    UntagResource: 'tag scalable target',
  },
  cloudwatch: {
    ListMetrics: 'read metrics',
    GetMetricData: 'read metrics',
    GetMetricStatistics: 'read metrics',
    PutMetricData: 'report metric',
    DescribeAlarms: 'read alarms',
    DescribeAlarmHistory: 'read alarms',
    DescribeAlarmsForMetric: 'read alarms',
    PutMetricAlarm: 'change alarm',
    DeleteAlarms: 'change alarm',
    SetAlarmState: 'change alarm',
    EnableAlarmActions: 'change alarm',
    DisableAlarmActions: 'change alarm',
    TagResource: 'change alarm',
    UntagResource: 'change alarm',
    ListTagsForResource: 'read tags',
    ListDashboards: 'read dashboards',
    GetDashboard: 'read dashboards',
    PutDashboard: 'change dashboard',
    DeleteDashboards: 'change dashboard',
  },
  logs: {
    DescribeLogGroups: 'read logs',
    DescribeLogStreams: 'read logs',
    GetLogEvents: 'read logs',
    FilterLogEvents: 'read logs',
    PutLogEvents: 'report log event',
    CreateLogStream: 'report log event',
    CreateLogGroup: 'change log group',
    DeleteLogGroup: 'change log group',
    DeleteLogStream: 'change log group',
    PutRetentionPolicy: 'change log group',
    DeleteRetentionPolicy: 'change log group',
    TagResource: 'change log group',
    UntagResource: 'change log group',
    ListTagsForResource: 'read tags',
  },
  cloudtrail: {
    LookupEvents: 'read audit',
    DescribeTrails: 'read server status',
    GetTrailStatus: 'read server status',
    GetEventSelectors: 'read server status',
  },
  events: {
    ListEventBuses: 'read rules',
    DescribeEventBus: 'read rules',
    ListRules: 'read rules',
    DescribeRule: 'read rules',
    ListTargetsByRule: 'read rules',
    TestEventPattern: 'read rules',
    PutEvents: 'report event',
    PutRule: 'change rule',
    DeleteRule: 'change rule',
    EnableRule: 'change rule',
    DisableRule: 'change rule',
    PutTargets: 'change rule',
    RemoveTargets: 'change rule',
  },
  sts: { GetCallerIdentity: null, AssumeRole: null },
  iam: { GetRole: null, SimulatePrincipalPolicy: null },
};

/** Throws if an operation of the service has no action. */
export function assertListed({ name, operations }: AwsService): void {
  const unlisted = Object.keys(operations).filter((operation) => name === 's3' || !Object.hasOwn(operationActions[name], operation));
  assert(unlisted.length === 0, `operations of ${name} without an action: ${unlisted.join(', ')}. Add them to operation-actions.ts`);
}

/** Null if any valid key may call the operation. */
export function permissionOf(service: ListedServiceName, operation: string, input: AwsInput): Permission | null {
  const table = operationActions[service];
  const listed = Object.hasOwn(table, operation) ? table[operation] : undefined;
  assert(listed !== undefined, `${service} has no action for ${operation}`);
  const action = typeof listed === 'function' ? listed(input) : listed;
  return action === null ? null : permissionFor(action);
}

const looking = /^(?:Describe|List|Get|BatchGet|BatchDescribe|Lookup|Filter|Search|Test|Query|SimulatePrincipal)/;

/** Operations that send data rather than change the configuration. Like CloudTrail, the audit does not record them. */
const reported = ['PutMetricData', 'PutLogEvents', 'PutEvents'];

/** Whether the audit records the operation, regardless of its permission. */
export function isChange(operation: string): boolean {
  return !looking.test(operation) && !reported.includes(operation);
}

/** The service prefix in the actions of AWS policies. */
export const actionPrefixes = {
  sagemaker: 'sagemaker',
  'sagemaker-runtime': 'sagemaker',
  'application-autoscaling': 'application-autoscaling',
  cloudwatch: 'cloudwatch',
  logs: 'logs',
  cloudtrail: 'cloudtrail',
  events: 'events',
  s3: 's3',
  sts: 'sts',
  iam: 'iam',
} as const satisfies Record<AwsServiceName, string>;
