/**
 * The two calls of IAM that clients make before they use a role: whether it exists, and what it may do. Roles grant nothing here, so every
 * name is a role, and what it may do is what the calling key may do. All other calls of IAM are denied.
 */
import { type Caller, hasPermission, permissionFor } from '../../access/index.ts';
import { s3Actions } from '../s3/s3-actions.ts';
import {
  type AwsCall,
  AwsError,
  type AwsInput,
  type AwsLocation,
  type AwsOutput,
  type AwsService,
  actionPrefixes,
  permissionOf,
  readOperation,
  runtimeAction,
  runtimeOperations,
} from '../service.ts';
import { notAuthorized, roleIdOf, roleOf } from './role-arn.ts';

/** `services`: the other services, whose permissions SimulatePrincipalPolicy reports. */
export function iamService(services: readonly AwsService[]): AwsService {
  return {
    name: 'iam',
    operations: {
      GetRole: readOperation(null, ({ RoleName }, call) => ({ Role: describeRole(String(RoleName), call) })),
      SimulatePrincipalPolicy: readOperation(null, (input, call) => simulate(services, input, call)),
    },
  };
}

/** Trusted by SageMaker, as its execution roles are, and by the account, whose keys can assume it. */
function trustPolicy({ account }: AwsLocation): string {
  const trusted = (principal: object) => ({ Effect: 'Allow', Principal: principal, Action: 'sts:AssumeRole' });
  const Statement = [trusted({ Service: 'sagemaker.amazonaws.com' }), trusted({ AWS: `arn:aws:iam::${account}:root` })];
  return JSON.stringify({ Version: '2012-10-17', Statement });
}

function describeRole(name: string, location: AwsLocation): AwsOutput {
  return {
    Path: '/',
    RoleName: name,
    RoleId: roleIdOf(name),
    Arn: `arn:aws:iam::${location.account}:role/${name}`,
    // Roles are not stored, so they have no time of creation.
    CreateDate: new Date(0),
    AssumeRolePolicyDocument: encodeURIComponent(trustPolicy(location)),
    Description: 'A role is only a name here: the role of the calling key decides what is allowed.',
    MaxSessionDuration: 43_200,
  };
}

const actionsMax = 1000;
/** Members that describe other policies than the stored ones: there are none to combine them with. */
const unsupported = ['PolicyInputList', 'PermissionsBoundaryPolicyInputList', 'ResourcePolicy'] as const;

function simulate(services: readonly AwsService[], input: AwsInput, call: AwsCall): AwsOutput {
  const source = String(input['PolicySourceArn']);
  const isSelf = source === `arn:aws:iam::${call.account}:user/${call.caller.keyId}`;
  if (!isSelf && roleOf(source, call) === null) {
    // The answer is the same whether such a key exists or not.
    const why = `on resource: ${source.slice(0, 200)}; expected the calling key, or a role of account ${call.account}`;
    throw notAuthorized(call.caller, call, 'iam:SimulatePrincipalPolicy', why);
  }
  const rejected = unsupported.find((member) => input[member] !== undefined);
  if (rejected !== undefined) throw invalidInput(`${rejected} is not supported: roles and keys of this server have no policies.`);
  const names = input['ActionNames'] as readonly string[];
  if (names.length > actionsMax) throw invalidInput(`Too many ActionNames: expected at most ${actionsMax}, got ${names.length}.`);
  const wrong = names.find((name) => !/^[a-z0-9-]+:[A-Za-z0-9]+$/.test(name));
  if (wrong !== undefined) {
    throw invalidInput(
      `Invalid action name ${wrong.slice(0, 128)}: expected SERVICE:OPERATION without wildcards, such as sagemaker:CreateModel.`,
    );
  }
  const results = names.map((name) => ({
    EvalActionName: name,
    EvalResourceName: '*',
    EvalDecision: isAllowed(services, name, call.caller) ? 'allowed' : 'implicitDeny',
    MatchedStatements: [],
    MissingContextValues: [],
  }));
  return { EvaluationResults: results, IsTruncated: false };
}

/** Execution roles need these on AWS to pull images, join networks and decrypt. Here nothing has to be permitted for it. */
const needless = /^(?:ecr|ec2|kms):|^iam:(?:PassRole|GetRole|SimulatePrincipalPolicy)$|^sts:/;

/** Operations under the names of their IAM actions, where those differ. */
const iamNames: Readonly<Record<string, string>> = {
  's3:ListBucket': 's3:ListObjectsV2',
  's3:ListAllMyBuckets': 's3:ListBuckets',
  's3:ListBucketMultipartUploads': 's3:ListMultipartUploads',
  's3:ListMultipartUploadParts': 's3:ListParts',
  'sagemaker:AccessModelPackage': 'sagemaker:DescribeModelPackage',
};

/** Whether the key may call the operation. An operation that this server does not serve is not allowed. */
function isAllowed(services: readonly AwsService[], name: string, { role }: Caller): boolean {
  if (needless.test(name)) return true;
  const [prefix = '', operation = ''] = (iamNames[name] ?? name).split(':');
  if (prefix === 's3') {
    const action = Object.entries(s3Actions).find(([served]) => served === operation)?.[1];
    return action !== undefined && hasPermission(role, permissionFor(action));
  }
  if (prefix === 'sagemaker' && runtimeOperations.includes(operation)) return hasPermission(role, permissionFor(runtimeAction));
  const service = services.find((each) => actionPrefixes[each.name] === prefix && Object.hasOwn(each.operations, operation));
  const row = service?.operations[operation];
  if (row === undefined) return false;
  const permission = permissionOf(row, {});
  return permission === null || hasPermission(role, permission);
}

function invalidInput(message: string): AwsError {
  return new AwsError('InvalidInput', message);
}
