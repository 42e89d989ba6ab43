/** The supported operations, from each service's error for an unknown operation. */
import { shapesOf } from '../../../../src/aws/shapes/shapes.ts';
import { sendSigned } from '../../../aws/signed-request.ts';

export const documentServices = [
  'sagemaker',
  'application-autoscaling',
  'cloudwatch',
  'logs',
  'events',
  'cloudtrail',
  'sts',
  'iam',
] as const;

/** The runtime and S3 route by path and method: see src/aws/runtime/runtime-path.ts and src/aws/s3/routing.ts. */
const byPath = {
  'sagemaker-runtime': ['InvokeEndpoint', 'InvokeEndpointWithResponseStream', 'InvokeEndpointAsync'],
  s3: (
    'ListBuckets CreateBucket HeadBucket DeleteBucket GetBucketLocation GetBucketVersioning PutBucketVersioning GetBucketEncryption ' +
    'PutBucketEncryption DeleteBucketEncryption GetBucketOwnershipControls PutBucketOwnershipControls DeleteBucketOwnershipControls ' +
    'GetPublicAccessBlock PutPublicAccessBlock DeletePublicAccessBlock GetBucketTagging PutBucketTagging DeleteBucketTagging ' +
    'GetBucketPolicy GetBucketPolicyStatus ' +
    'PutObject GetObject HeadObject CopyObject DeleteObject DeleteObjects ListObjectsV2 ListObjects GetObjectTagging ' +
    'CreateMultipartUpload UploadPart UploadPartCopy CompleteMultipartUpload AbortMultipartUpload ListParts ListMultipartUploads'
  ).split(' '),
} satisfies Readonly<Record<string, readonly string[]>>;

/** Operations by service; empty if a service is not supported. `adminKey` is `ID:SECRET`. */
export async function servedOperations(url: string, adminKey: string): Promise<Map<string, readonly string[]>> {
  const [id = '', secret = ''] = adminKey.split(':');
  const found = new Map<string, readonly string[]>(Object.entries(byPath));
  for (const service of documentServices) found.set(service, await listedBy(url, { id, secret }, service));
  return found;
}

async function listedBy(url: string, key: { id: string; secret: string }, service: (typeof documentServices)[number]): Promise<string[]> {
  const shapes = shapesOf(service);
  const isQuery = shapes.targetPrefix === undefined;
  const headers = isQuery
    ? { 'content-type': 'application/x-www-form-urlencoded' }
    : { 'content-type': `application/x-amz-json-${shapes.jsonVersion}`, 'x-amz-target': `${shapes.targetPrefix}.Nothing` };
  const body = isQuery ? 'Action=Nothing&Version=2011-06-15' : '{}';
  const answer = await sendSigned(url, { key, service: shapes.signingName, headers, body });
  const [, names] = / has no operation 'Nothing': expected one of ([\w, ]+)/.exec(String(answer.body)) ?? [];
  return names?.split(', ').sort() ?? [];
}
