/** Which right each operation takes. What only looks takes `read`; what the table does not name takes `deploy`. */
import type { Permission } from '../../access/index.ts';
import type { AwsInput, AwsServiceName } from '../service.ts';

const looking = /^(?:Describe|List|Get|BatchGet|BatchDescribe|Lookup|Filter|Search|Test|Query)/;

type Rule = Permission | ((input: AwsInput) => Permission);

/** A package that comes approved needs the right to approve it. */
const approving = ({ ModelApprovalStatus: status }: AwsInput): Permission =>
  status === undefined || status === 'PendingManualApproval' ? 'register' : 'approve';

const cardApproving = ({ ModelCardStatus: status }: AwsInput): Permission => (status === 'Approved' ? 'approve' : 'register');

const rules: Readonly<Record<string, Readonly<Record<string, Rule>>>> = {
  sagemaker: {
    CreateModelPackageGroup: 'register',
    DeleteModelPackageGroup: 'register',
    CreateModelPackage: approving,
    UpdateModelPackage: (input) => (input.ModelApprovalStatus === undefined ? 'register' : 'approve'),
    DeleteModelPackage: 'register',
    CreateModel: 'register',
    DeleteModel: 'register',
    AddTags: 'register',
    DeleteTags: 'register',
    CreateModelCard: cardApproving,
    UpdateModelCard: cardApproving,
    DeleteModelCard: 'register',
  },
  // What a caller of models tells of itself.
  cloudwatch: { PutMetricData: 'invoke' },
  logs: { PutLogEvents: 'invoke', CreateLogStream: 'invoke' },
  events: { PutEvents: 'invoke' },
  // The audit trail is read by those who administer, by every door.
  cloudtrail: { LookupEvents: 'administer' },
};

export function permissionOf(service: AwsServiceName, operation: string, input: AwsInput): Permission {
  const rule = rules[service]?.[operation];
  if (rule !== undefined) return typeof rule === 'function' ? rule(input) : rule;
  return looking.test(operation) ? 'read' : 'deploy';
}

/** What a caller of models tells of itself again and again: data, as CloudTrail has it, and no deeds. */
const told = ['PutMetricData', 'PutLogEvents', 'PutEvents'];

/** Whether the audit tells of it, whatever right it takes. */
export function isChange(operation: string): boolean {
  return !looking.test(operation) && !told.includes(operation);
}

/** The name under which AWS's policies know the service. */
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
} as const satisfies Record<AwsServiceName, string>;
