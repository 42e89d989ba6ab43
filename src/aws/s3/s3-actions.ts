/** Every S3 operation and the action it performs. Reads may additionally depend on the origin of the object. */
import { type Action, type Caller, hasPermission, permissionFor } from '../../access/index.ts';
import { AwsError } from '../service.ts';
import type { ObjectOrigin, S3Object } from './objects/object.ts';
import type { OperationName } from './routing.ts';

/** The permission that each operation needs. */
export const s3Actions = {
  ListBuckets: 'list objects',
  CreateBucket: 'create bucket',
  HeadBucket: 'list objects',
  DeleteBucket: 'delete bucket',
  GetBucketLocation: 'list objects',
  GetBucketVersioning: 'list objects',
  GetBucketEncryption: 'list objects',
  PutBucketEncryption: 'create bucket',
  DeleteBucketEncryption: 'create bucket',
  GetBucketOwnershipControls: 'list objects',
  PutBucketOwnershipControls: 'create bucket',
  DeleteBucketOwnershipControls: 'create bucket',
  GetPublicAccessBlock: 'list objects',
  PutPublicAccessBlock: 'create bucket',
  DeletePublicAccessBlock: 'create bucket',
  GetBucketTagging: 'list objects',
  PutBucketTagging: 'create bucket',
  DeleteBucketTagging: 'create bucket',
  PutBucketVersioning: 'create bucket',
  GetBucketPolicy: 'list objects',
  GetBucketPolicyStatus: 'list objects',
  ListObjects: 'list objects',
  ListObjectsV2: 'list objects',
  ListMultipartUploads: 'list objects',
  ListParts: 'list objects',
  GetObject: 'read object',
  HeadObject: 'read object',
  GetObjectTagging: 'list objects',
  PutObject: 'write object',
  CopyObject: 'write object',
  CreateMultipartUpload: 'write object',
  UploadPart: 'write object',
  UploadPartCopy: 'write object',
  CompleteMultipartUpload: 'write object',
  AbortMultipartUpload: 'write object',
  DeleteObject: 'delete object',
  DeleteObjects: 'delete object',
} as const satisfies Record<OperationName, Action>;

/** Objects that the server wrote need the same permission here as in the other APIs. */
export const originActions = {
  output: 'read inference output',
  input: 'read captured data',
} as const satisfies Record<ObjectOrigin, Action>;

/** What the code of a training job may do, if its creator may. */
const jobActions: readonly Action[] = ['list objects', 'read object', 'write object', 'delete object'];

/** Throws `AccessDenied`. */
export function requireAction({ keyId, role, assumed }: Caller, action: Action, operation: OperationName): void {
  const isAllowed = assumed?.job === undefined || jobActions.includes(action);
  if (isAllowed && hasPermission(role, permissionFor(action))) return;
  throw new AwsError('AccessDenied', `${keyId} (${role}) is not authorized to perform: s3:${operation} (${action})`, { httpStatus: 403 });
}

/** Throws `AccessDenied` if the caller may not read an object that the server wrote. */
export function requireReadable(caller: Caller, { headers: { origin } }: Pick<S3Object, 'headers'>, operation: OperationName): void {
  if (origin !== undefined) requireAction(caller, originActions[origin], operation);
}
