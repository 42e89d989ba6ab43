import assert from 'node:assert/strict';
import { test } from 'node:test';
import { operationOf, s3TargetOf } from './routing.ts';

for (const { path, hostBucket = null, expected } of [
  { path: '/', expected: ['', ''] },
  { path: '/models', expected: ['models', ''] },
  { path: '/models/', expected: ['models', ''] },
  { path: '/models/a%20b%2B%C3%BC%281%29%27~.txt', expected: ['models', "a b+ü(1)'~.txt"] },
  { path: '/models/a+b', expected: ['models', 'a+b'] },
  { path: '/models//a//', expected: ['models', '/a//'] },
  { path: '/models/../../etc/passwd', expected: ['models', '../../etc/passwd'] },
  { path: '/models/%2e%2e%2Fx', expected: ['models', '../x'] },
  { path: '/', hostBucket: 'models', expected: ['models', ''] },
  { path: '/models/x', hostBucket: 'data', expected: ['data', 'models/x'] },
  { path: '/Models', expected: 'InvalidBucketName' },
  { path: '/..', expected: 'InvalidBucketName' },
  { path: '//key', expected: 'InvalidBucketName' },
  { path: '/models/%ff', expected: 'InvalidURI' },
  { path: '/models/%', expected: 'InvalidURI' },
  { path: '/models/%00', expected: 'InvalidArgument' },
  { path: `/models/${'%C3%BC'.repeat(513)}`, expected: 'KeyTooLongError' },
]) {
  test(`${path.slice(0, 40)}${hostBucket === null ? '' : ` on the host of ${hostBucket}`} names ${JSON.stringify(expected)}`, () => {
    if (typeof expected === 'string') assert.throws(() => s3TargetOf({ path, hostBucket }), { code: expected });
    else assert.deepEqual(s3TargetOf({ path, hostBucket }), { bucket: expected[0], key: expected[1] });
  });
}

for (const [request, expected] of [
  ['GET /', 'ListBuckets'],
  ['PUT /', 'MethodNotAllowed'],
  ['PUT /b', 'CreateBucket'],
  ['HEAD /b', 'HeadBucket'],
  ['DELETE /b', 'DeleteBucket'],
  ['GET /b', 'ListObjects'],
  ['GET /b?list-type=2&prefix=uploads', 'ListObjectsV2'],
  ['GET /b?location', 'GetBucketLocation'],
  ['GET /b?versioning', 'GetBucketVersioning'],
  ['GET /b?uploads', 'ListMultipartUploads'],
  ['POST /b?delete', 'DeleteObjects'],
  ['GET /b?acl', 'NotImplemented'],
  ['PUT /b?policy', 'NotImplemented'],
  ['DELETE /b?policy', 'NotImplemented'],
  ['GET /b?policy', 'GetBucketPolicy'],
  ['PUT /b?publicAccessBlock', 'PutPublicAccessBlock'],
  ['DELETE /b?tagging', 'DeleteBucketTagging'],
  ['GET /b?encryption', 'GetBucketEncryption'],
  ['POST /b', 'NotImplemented'],
  ['PATCH /b', 'MethodNotAllowed'],
  ['PUT /b/k?x-id=PutObject', 'PutObject'],
  ['PUT /b/k from', 'CopyObject'],
  ['GET /b/k?response-content-type=a', 'GetObject'],
  ['HEAD /b/k', 'HeadObject'],
  ['DELETE /b/k', 'DeleteObject'],
  ['DELETE /b/k?tagging', 'NotImplemented'],
  ['GET /b/k?tagging', 'GetObjectTagging'],
  ['PUT /b/k?acl', 'NotImplemented'],
  ['POST /b/k?uploads', 'CreateMultipartUpload'],
  ['PUT /b/k?partNumber=1&uploadId=u', 'UploadPart'],
  ['PUT /b/k?partNumber=1&uploadId=u from', 'UploadPartCopy'],
  ['POST /b/k?uploadId=u', 'CompleteMultipartUpload'],
  ['DELETE /b/k?uploadId=u', 'AbortMultipartUpload'],
  ['GET /b/k?uploadId=u', 'ListParts'],
  ['POST /b/k?select&select-type=2', 'NotImplemented'],
] as const) {
  test(`${request} is ${expected}`, () => {
    const [method = '', url = '', from] = request.split(' ');
    const [path = '', query = ''] = url.split('?');
    const [, bucket = '', key = ''] = path.split('/');
    const headers = from === undefined ? {} : { 'x-amz-copy-source': 'b/k' };
    const call = () => operationOf({ method, query: new URLSearchParams(query), headers }, bucket, key);
    if (expected === 'NotImplemented' || expected === 'MethodNotAllowed') assert.throws(call, { code: expected });
    else assert.equal(call(), expected);
  });
}
