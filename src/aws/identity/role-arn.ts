/** Ids and ARNs of users, which are keys, and of roles, which are only names: they grant nothing, so any name is valid. Pure. */
import { createHash } from 'node:crypto';
import type { Caller } from '../../access/index.ts';
import { AwsError, type AwsLocation } from '../service.ts';

export interface RoleName {
  /** `/` or `/service-role/` */
  readonly path: string;
  readonly name: string;
}

/** The role of `arn:aws:iam::ACCOUNT:role/PATH/NAME`; null for any other text, and for roles of other accounts. */
export function roleOf(arn: string, { account }: AwsLocation): RoleName | null {
  const [, owner, path = '', name] = /^arn:aws[\w-]*:iam::(\d{12}):role\/((?:[\x21-\x2e\x30-\x7e]+\/)*)([\w+=,.@-]{1,64})$/.exec(arn) ?? [];
  return owner === account && name !== undefined ? { path: `/${path}`, name } : null;
}

/** The ARN of a key, or of a session with a role. */
export function callerArn({ keyId, assumed }: Caller, { account }: AwsLocation): string {
  if (assumed === undefined) return `arn:aws:iam::${account}:user/${keyId}`;
  return `arn:aws:sts::${account}:assumed-role/${assumed.role}/${assumed.session}`;
}

/** In the format of AWS: `AROA` and 17 characters, the same for the same name. */
export function roleIdOf(name: string): string {
  const digest = createHash('sha256').update(name).digest();
  return `AROA${Array.from(digest.subarray(0, 17), (byte) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[byte & 31]).join('')}`;
}

/** AWS's text for a call that is not allowed. */
export function notAuthorized(caller: Caller, location: AwsLocation, action: string, why: string): AwsError {
  const message = `User: ${callerArn(caller, location)} is not authorized to perform: ${action} (${why})`;
  return new AwsError('AccessDenied', message, { httpStatus: 403 });
}
