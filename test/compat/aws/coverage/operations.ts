/** Which operations there are: each service names them to whoever asks for another. */
import { shapesOf } from '../../../../src/aws/shapes/shapes.ts';
import { sendSigned } from '../../../aws/signed-request.ts';

export const documentServices = ['sagemaker', 'application-autoscaling', 'cloudwatch', 'logs', 'events', 'cloudtrail', 'sts'] as const;

/** The runtime and S3 tell their operations by path and method; src/aws/runtime/place.ts and src/aws/s3/routing.ts know them. */
const byPath = {
  'sagemaker-runtime': ['InvokeEndpoint', 'InvokeEndpointWithResponseStream', 'InvokeEndpointAsync'],
  s3: (
    'ListBuckets CreateBucket HeadBucket DeleteBucket GetBucketLocation GetBucketVersioning ' +
    'PutObject GetObject HeadObject CopyObject DeleteObject DeleteObjects ListObjectsV2 ListObjects GetObjectTagging ' +
    'CreateMultipartUpload UploadPart UploadPartCopy CompleteMultipartUpload AbortMultipartUpload ListParts ListMultipartUploads'
  ).split(' '),
} satisfies Readonly<Record<string, readonly string[]>>;

/** By service; none where it is not served. `adminKey` is `ID:SECRET`. */
export async function servedOperations(url: string, adminKey: string): Promise<Map<string, readonly string[]>> {
  const [id = '', secret = ''] = adminKey.split(':');
  const found = new Map<string, readonly string[]>(Object.entries(byPath));
  for (const service of documentServices) found.set(service, await namedBy(url, { id, secret }, service));
  return found;
}

async function namedBy(url: string, key: { id: string; secret: string }, service: (typeof documentServices)[number]): Promise<string[]> {
  const shapes = shapesOf(service);
  const isQuery = shapes.targetPrefix === undefined;
  const headers = isQuery
    ? { 'content-type': 'application/x-www-form-urlencoded' }
    : { 'content-type': `application/x-amz-json-${shapes.jsonVersion}`, 'x-amz-target': `${shapes.targetPrefix}.Nothing` };
  const body = isQuery ? 'Action=Nothing&Version=2011-06-15' : '{}';
  const answer = await sendSigned(url, { key, service: shapes.signingName, headers, body });
  const [, names] = / has no operation 'Nothing' here: supported are ([\w, ]+)/.exec(String(answer.body)) ?? [];
  return names?.split(', ').sort() ?? [];
}
