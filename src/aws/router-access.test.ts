/** Authentication, authorization, and how both are logged. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { form, json, messageOf, type SignOptions, send, sendSigned, typeOf } from '../../test/aws/signed-request.ts';
import { awsServiceRunning } from '../../test/aws-operations.ts';
import { type AwsRouterFixture, awsLocation, openAwsRouter } from '../../test/aws-router-fixture.ts';
import type { AccessLine } from '../logs/index.ts';
import { currentOrigin, type Origin } from '../records/index.ts';
import type { AwsStreamService } from './index.ts';

const sagemaker = awsServiceRunning('sagemaker', {
  DescribeEndpoint: ({ EndpointName }) => ({ EndpointName }),
  CreateEndpoint: () => ({ EndpointArn: 'arn' }),
  UpdateModelPackage: () => ({ ModelPackageArn: 'arn' }),
});

let origin: Origin | null = null;
const s3: AwsStreamService = {
  name: 's3',
  async handle(_request, response) {
    origin = currentOrigin();
    response.writeHead(200).end();
  },
};

const runtime: AwsStreamService = {
  name: 'sagemaker-runtime',
  handle: async (request, response) => void response.writeHead(200).end(await request.readBody(64)),
};

let router: AwsRouterFixture;
const refused: unknown[] = [];
const accessed: AccessLine[] = [];
before(async () => {
  router = await openAwsRouter({
    writeAccess: (line) => void accessed.push(line),
    onRefused: async (keyId, { action, target, outcome }) => void refused.push([keyId, action, target, outcome, currentOrigin()?.protocol]),
    services: [sagemaker],
    streams: [s3, runtime],
  });
});
after(() => router.close());

function call(service: string, options: Omit<SignOptions, 'service' | 'key'> & { readonly key?: SignOptions['key'] }) {
  return sendSigned(router.url, { key: router.key, service, ...options });
}

describe('rejects an unauthenticated request', () => {
  for (const [what, options, status, type] of [
    ['below /aws', { path: '/aws/models/k', method: 'GET' }, 403, '<Code>AccessDenied<'],
    ['by its target', { headers: { 'x-amz-target': 'SageMaker.ListModels' } }, 403, '"MissingAuthenticationTokenException"'],
    ['by its action', form({ Action: 'GetCallerIdentity' }), 403, '<Code>MissingAuthenticationToken<'],
    ['by its action in the query', { path: '/?Action=GetCallerIdentity' }, 403, '<Code>MissingAuthenticationToken<'],
    ['as an invocation', { path: '/endpoints/e/invocations' }, 403, '"MissingAuthenticationTokenException"'],
    [
      'with a native API key',
      { path: '/aws', headers: { authorization: 'Bearer A:B', 'x-amz-target': 'SageMaker.ListModels' } },
      403,
      '"MissingAuth',
    ],
    [
      'with half a signature',
      { headers: { authorization: 'AWS4-HMAC-SHA256 Credential=A', 'x-amz-target': 'a.b' } },
      400,
      '"IncompleteSignatureException"',
    ],
    [
      'with half a signature in the query',
      { path: '/models/k?AWSAccessKeyId=A', method: 'GET' },
      400,
      '<Code>AuthorizationHeaderMalformed<',
    ],
  ] as const) {
    test(`${what}`, async () => {
      const reply = await send(router.url, { method: 'POST', path: '/', ...options } as Parameters<typeof send>[1]);
      assert.equal(reply.status, status);
      assert(reply.body.includes(type), reply.body);
    });
  }
});

describe('a key permits what its role allows:', () => {
  for (const [role, target, document, status] of [
    ['viewer', 'DescribeEndpoint', { EndpointName: 'e' }, 200],
    ['viewer', 'CreateEndpoint', { EndpointName: 'e', EndpointConfigName: 'c' }, 403],
    ['deployer', 'CreateEndpoint', { EndpointName: 'e', EndpointConfigName: 'c' }, 200],
    [
      'deployer',
      'UpdateModelPackage',
      { ModelPackageArn: 'arn:aws:sagemaker:eu-central-1:123456789012:model-package/g/1', ModelApprovalStatus: 'Approved' },
      403,
    ],
    [
      'approver',
      'UpdateModelPackage',
      { ModelPackageArn: 'arn:aws:sagemaker:eu-central-1:123456789012:model-package/g/1', ModelApprovalStatus: 'Approved' },
      200,
    ],
  ] as const) {
    test(`${role}, ${target}: ${status}`, async () => {
      const key = router.access.create(role);
      const reply = await call('sagemaker', { key, ...json(`SageMaker.${target}`, document) });
      assert.equal(reply.status, status, reply.body);
      if (status === 200) return;
      const about = target === 'CreateEndpoint' ? 'e' : 'g/1';
      assert.deepEqual(refused.pop(), [key.id, target, about, 'forbidden', 'aws']);
      assert.equal(typeOf(reply.body), 'AccessDeniedException');
      const who = `User: arn:aws:iam::${awsLocation.account}:user/${key.id} is not authorized to perform: sagemaker:${target} `;
      assert(messageOf(reply.body).startsWith(who), reply.body);
    });
  }

  test('audits an invalid signature with the operation and the claimed key', async () => {
    const key = { id: router.key.id, secret: 'wrong' };
    await call('sagemaker', { key, ...json('SageMaker.CreateEndpoint', {}) });
    assert.deepEqual(refused.pop(), ['unknown', 'CreateEndpoint', '', 'unauthenticated', 'aws']);
    await call('s3', { key, method: 'PUT', path: '/bucket', headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } });
    assert.deepEqual(refused.pop(), ['unknown', 'CreateBucket', 'bucket', 'unauthenticated', 'aws']);
    await call('sagemaker', { key, path: '/endpoints/e/invocations', body: '1' });
    assert.deepEqual(refused.pop(), ['unknown', 'InvokeEndpoint', 'endpoints/e/invocations', 'unauthenticated', 'aws']);
  });

  test('writes each control call to the access log, but only rejected invocations', async () => {
    accessed.splice(0);
    await call('sts', form({ Action: 'GetCallerIdentity' }));
    await call('sagemaker', { path: '/endpoints/e/invocations', body: '1' });
    await call('sagemaker', { key: { ...router.key, secret: 'wrong' }, path: '/endpoints/e/invocations', body: '1' });
    const reported = accessed.map(({ protocol: by, operation, method, url, status, who, from }) => [
      by,
      operation,
      method,
      url,
      status,
      who,
      from,
    ]);
    assert.deepEqual(reported, [
      ['aws', 'GetCallerIdentity', 'POST', '/', 200, router.key.id, '127.0.0.1'],
      ['aws', undefined, 'POST', '/endpoints/e/invocations', 403, null, '127.0.0.1'],
    ]);
  });

  test('a viewer cannot invoke', async () => {
    const reply = await call('sagemaker', { key: router.access.create('viewer'), path: '/endpoints/e/invocations', body: '1' });
    assert.deepEqual([reply.status, reply.headers['x-amzn-errortype']], [403, 'AccessDeniedException']);
  });

  test('a revoked key is rejected immediately', async () => {
    const key = router.access.create('viewer');
    const ask = () => call('sts', { key, ...form({ Action: 'GetCallerIdentity' }) });
    assert.equal((await ask()).status, 200);
    router.access.revoke(key.id);
    const reply = await ask();
    assert.deepEqual([reply.status, /<Code>(\w+)/.exec(reply.body)?.[1]], [403, 'InvalidClientTokenId']);
  });
});

test('records the AWS API and its client as the origin of a bucket or object', async () => {
  await call('s3', { method: 'PUT', path: '/team', headers: { 'user-agent': 'Boto3/1' }, body: '' });
  assert.deepEqual([origin?.protocol, origin?.remoteAddress, origin?.userAgent], ['aws', '127.0.0.1', 'Boto3/1']);
});
