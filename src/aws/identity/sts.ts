/**
 * STS: who a key is, and temporary credentials for it. A role is only a name here. Its credentials have exactly the permissions and limits
 * of the key that requested them, and end with it; so nothing is gained by assuming one.
 */
import type { Access } from '../../access/index.ts';
import type { Clock } from '../../clock.ts';
import { type TokenBucket, takeToken } from '../../records/index.ts';
import { type AwsCall, AwsError, type AwsInput, type AwsOutput, type AwsService, changeOperation, readOperation } from '../service.ts';
import { callerArn, notAuthorized, roleIdOf, roleOf } from './role-arn.ts';

const secondsDefault = 3600;

/** Members that would restrict or verify more than a key can. Ignoring them would issue wider credentials than requested. */
const unsupported = ['Policy', 'PolicyArns', 'SerialNumber', 'TokenCode'] as const;

/** Every AssumeRole is an entry in the audit, which any key can cause; so a key is limited. */
const issueLimit = { burst: 30, perMinute: 10 };

export interface StsOptions {
  readonly access: Pick<Access, 'assumeRole'>;
  readonly clock: Pick<Clock, 'wallMs'>;
}

export function stsService({ access, clock }: StsOptions): AwsService {
  const buckets = new Map<string, TokenBucket>();
  const limited = (keyId: string): void => {
    const nowMs = clock.wallMs();
    const bucket = buckets.get(keyId) ?? { tokens: issueLimit.burst, atMs: nowMs };
    buckets.set(keyId, bucket);
    if (takeToken(bucket, issueLimit, nowMs)) return;
    throw new AwsError('Throttling', `${keyId} calls AssumeRole too often: use the credentials until they expire`);
  };
  return {
    name: 'sts',
    operations: {
      GetCallerIdentity: readOperation(null, (_input, { caller, ...location }) => {
        const { assumed, keyId } = caller;
        const UserId = assumed === undefined ? keyId : `${roleIdOf(assumed.role)}:${assumed.session}`;
        return { UserId, Account: location.account, Arn: callerArn(caller, location) };
      }),
      AssumeRole: changeOperation(null, (input, call) => {
        limited(call.caller.keyId);
        return assumeRole(access, input, call);
      }),
    },
  };
}

function assumeRole(access: Pick<Access, 'assumeRole'>, input: AwsInput, call: AwsCall): AwsOutput {
  const arn = String(input['RoleArn']);
  const rejected = unsupported.find((member) => input[member] !== undefined);
  if (rejected !== undefined) {
    throw new AwsError(
      'ValidationError',
      `${rejected} is not supported: temporary credentials have the permissions of the key that requests them. Use a key with a weaker role.`,
    );
  }
  const role = roleOf(arn, call);
  if (role === null) {
    const why = `on resource: ${arn.slice(0, 200)}; expected a role of this account, arn:aws:iam::${call.account}:role/NAME`;
    throw notAuthorized(call.caller, call, 'sts:AssumeRole', why);
  }
  const session = String(input['RoleSessionName']);
  const seconds = typeof input['DurationSeconds'] === 'number' ? input['DurationSeconds'] : secondsDefault;
  const issued = access.assumeRole(call.caller, { role: role.name, session, seconds });
  if (issued === undefined) throw notAuthorized(call.caller, call, 'sts:AssumeRole', 'the key was revoked');
  return {
    Credentials: {
      AccessKeyId: issued.id,
      SecretAccessKey: issued.secret,
      SessionToken: issued.token,
      Expiration: new Date(issued.expiresAtMs),
    },
    AssumedRoleUser: {
      AssumedRoleId: `${roleIdOf(role.name)}:${session}`,
      Arn: `arn:aws:sts::${call.account}:assumed-role/${role.name}/${session}`,
    },
    PackedPolicySize: 0,
  };
}
