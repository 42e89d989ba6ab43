/** Resolves bucket, key and operation of a request from its host, path, method and query. */
import type { VerifiedRequest } from '../service.ts';
import { checkBucketName, checkKey } from './buckets/bucket-name.ts';
import { s3Error } from './s3-errors.ts';

/** The operations that this server implements; all others are rejected. */
export type OperationName =
  | 'ListBuckets'
  | 'CreateBucket'
  | 'HeadBucket'
  | 'DeleteBucket'
  | 'GetBucketLocation'
  | 'GetBucketVersioning'
  | 'GetBucketEncryption'
  | 'PutBucketEncryption'
  | 'DeleteBucketEncryption'
  | 'GetBucketOwnershipControls'
  | 'PutBucketOwnershipControls'
  | 'DeleteBucketOwnershipControls'
  | 'GetPublicAccessBlock'
  | 'PutPublicAccessBlock'
  | 'DeletePublicAccessBlock'
  | 'GetBucketTagging'
  | 'PutBucketTagging'
  | 'DeleteBucketTagging'
  | 'PutBucketVersioning'
  | 'GetBucketPolicy'
  | 'GetBucketPolicyStatus'
  | 'ListObjects'
  | 'ListObjectsV2'
  | 'ListMultipartUploads'
  | 'DeleteObjects'
  | 'PutObject'
  | 'GetObject'
  | 'HeadObject'
  | 'DeleteObject'
  | 'CopyObject'
  | 'GetObjectTagging'
  | 'CreateMultipartUpload'
  | 'UploadPart'
  | 'UploadPartCopy'
  | 'CompleteMultipartUpload'
  | 'AbortMultipartUpload'
  | 'ListParts';

/** Query parameters that select another operation. Those missing from `served` are not implemented. */
const subresources = new Set(
  (
    'accelerate acl analytics attributes cors delete encryption intelligent-tiering inventory legal-hold lifecycle location logging ' +
    'metrics notification object-lock ownershipControls policy policyStatus publicAccessBlock replication requestPayment restore ' +
    'retention select session tagging torrent uploadId uploads versioning versions website'
  ).split(' '),
);

/** Keyed by method and sub-resource (`GET uploads`), or by method alone. */
const onBucket: Readonly<Record<string, OperationName>> = {
  PUT: 'CreateBucket',
  HEAD: 'HeadBucket',
  DELETE: 'DeleteBucket',
  GET: 'ListObjects',
  'GET location': 'GetBucketLocation',
  'GET versioning': 'GetBucketVersioning',
  'GET encryption': 'GetBucketEncryption',
  'PUT encryption': 'PutBucketEncryption',
  'DELETE encryption': 'DeleteBucketEncryption',
  'GET ownershipControls': 'GetBucketOwnershipControls',
  'PUT ownershipControls': 'PutBucketOwnershipControls',
  'DELETE ownershipControls': 'DeleteBucketOwnershipControls',
  'GET publicAccessBlock': 'GetPublicAccessBlock',
  'PUT publicAccessBlock': 'PutPublicAccessBlock',
  'DELETE publicAccessBlock': 'DeletePublicAccessBlock',
  'GET tagging': 'GetBucketTagging',
  'PUT tagging': 'PutBucketTagging',
  'DELETE tagging': 'DeleteBucketTagging',
  'PUT versioning': 'PutBucketVersioning',
  'GET policy': 'GetBucketPolicy',
  'GET policyStatus': 'GetBucketPolicyStatus',
  'GET uploads': 'ListMultipartUploads',
  'POST delete': 'DeleteObjects',
};

const onObject: Readonly<Record<string, OperationName>> = {
  PUT: 'PutObject',
  GET: 'GetObject',
  HEAD: 'HeadObject',
  DELETE: 'DeleteObject',
  'GET tagging': 'GetObjectTagging',
  'GET uploadId': 'ListParts',
  'PUT uploadId': 'UploadPart',
  'DELETE uploadId': 'AbortMultipartUpload',
  'POST uploads': 'CreateMultipartUpload',
  'POST uploadId': 'CompleteMultipartUpload',
};

/** Whether the query selects a part of a bucket or object instead of the whole. */
export function hasSubresource(query: URLSearchParams): boolean {
  return [...query.keys()].some((name) => subresources.has(name));
}

/** Bucket and key are empty if the request names none. Throws `InvalidURI`, and the errors of the name checks. */
export function s3TargetOf({ path, hostBucket }: Pick<VerifiedRequest, 'path' | 'hostBucket'>): { bucket: string; key: string } {
  const rest = path.replace(/^\//, '');
  const slash = rest.indexOf('/');
  const [first, behind] = slash < 0 ? [rest, ''] : [rest.slice(0, slash), rest.slice(slash + 1)];
  const [bucket, key] = hostBucket === null ? [decode(first), decode(behind)] : [hostBucket, decode(rest)];
  if (bucket === '' && key !== '') throw s3Error('InvalidBucketName');
  if (bucket !== '') checkBucketName(bucket);
  if (key !== '') checkKey(key);
  return { bucket, key };
}

/** Throws `NotImplemented` or `MethodNotAllowed`. */
export function operationOf(request: Pick<VerifiedRequest, 'method' | 'query' | 'headers'>, bucket: string, key: string): OperationName {
  const { method, query, headers } = request;
  if (bucket === '') {
    if (method === 'GET') return 'ListBuckets';
    throw s3Error('MethodNotAllowed');
  }
  const subresource = [...query.keys()].find((name) => subresources.has(name));
  const requested = subresource === undefined ? method : `${method} ${subresource}`;
  const table = key === '' ? onBucket : onObject;
  const name = Object.hasOwn(table, requested) ? table[requested] : undefined;
  if (name === undefined) {
    if (subresource === undefined && method !== 'POST') throw s3Error('MethodNotAllowed');
    throw s3Error('NotImplemented', `${requested} of ${key === '' ? 'a bucket' : 'an object'} is not implemented.`);
  }
  if (name === 'ListObjects' && query.get('list-type') === '2') return 'ListObjectsV2';
  if (headers['x-amz-copy-source'] === undefined) return name;
  return name === 'PutObject' ? 'CopyObject' : name === 'UploadPart' ? 'UploadPartCopy' : name;
}

function decode(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    throw s3Error('InvalidURI');
  }
}
