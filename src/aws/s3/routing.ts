/** Which bucket, which key, which operation: S3 says it by host, path, method and single words of the query. */
import type { VerifiedRequest } from '../service.ts';
import { checkBucketName, checkKey } from './names.ts';
import { refusal } from './s3-errors.ts';

export type OperationName =
  | 'ListBuckets'
  | 'CreateBucket'
  | 'HeadBucket'
  | 'DeleteBucket'
  | 'GetBucketLocation'
  | 'GetBucketVersioning'
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

/** Words of the query that mean an operation of their own; of those that `served` does not name we have none. */
const subresources = new Set(
  (
    'accelerate acl analytics attributes cors delete encryption intelligent-tiering inventory legal-hold lifecycle location logging ' +
    'metrics notification object-lock ownershipControls policy policyStatus publicAccessBlock replication requestPayment restore ' +
    'retention select session tagging torrent uploadId uploads versioning versions website'
  ).split(' '),
);

/** By method and subresource (`GET uploads`), `GET` alone without one. */
const onBucket: Readonly<Record<string, OperationName>> = {
  PUT: 'CreateBucket',
  HEAD: 'HeadBucket',
  DELETE: 'DeleteBucket',
  GET: 'ListObjects',
  'GET location': 'GetBucketLocation',
  'GET versioning': 'GetBucketVersioning',
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

/** Both empty where none is named. Throws `InvalidURI`, and what the checks of the names throw. */
export function targetOf({ path, hostBucket }: Pick<VerifiedRequest, 'path' | 'hostBucket'>): { bucket: string; key: string } {
  const rest = path.replace(/^\//, '');
  const slash = rest.indexOf('/');
  const [first, behind] = slash < 0 ? [rest, ''] : [rest.slice(0, slash), rest.slice(slash + 1)];
  const [bucket, key] = hostBucket === null ? [decode(first), decode(behind)] : [hostBucket, decode(rest)];
  if (bucket === '' && key !== '') throw refusal('InvalidBucketName');
  if (bucket !== '') checkBucketName(bucket);
  if (key !== '') checkKey(key);
  return { bucket, key };
}

/** Throws `NotImplemented`, `MethodNotAllowed`. */
export function operationOf(request: Pick<VerifiedRequest, 'method' | 'query' | 'headers'>, bucket: string, key: string): OperationName {
  const { method, query, headers } = request;
  if (bucket === '') {
    if (method === 'GET') return 'ListBuckets';
    throw refusal('MethodNotAllowed');
  }
  const subresource = [...query.keys()].find((name) => subresources.has(name));
  const asked = subresource === undefined ? method : `${method} ${subresource}`;
  const table = key === '' ? onBucket : onObject;
  const name = Object.hasOwn(table, asked) ? table[asked] : undefined;
  if (name === undefined) {
    if (subresource === undefined && method !== 'POST') throw refusal('MethodNotAllowed');
    throw refusal('NotImplemented', `${asked} of ${key === '' ? 'a bucket' : 'an object'} is not implemented.`);
  }
  if (name === 'ListObjects' && query.get('list-type') === '2') return 'ListObjectsV2';
  if (headers['x-amz-copy-source'] === undefined) return name;
  return name === 'PutObject' ? 'CopyObject' : name === 'UploadPart' ? 'UploadPartCopy' : name;
}

function decode(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    throw refusal('InvalidURI');
  }
}
