/** The router driven by AWS's own clients. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { DescribeEndpointCommand, ListModelsCommand, SageMakerClient } from '@aws-sdk/client-sagemaker';
import { InvokeEndpointCommand, SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import fc from 'fast-check';
import { awsServiceRunning } from '../../test/aws-operations.ts';
import { type AwsRouterFixture, awsLocation, openAwsRouter } from '../../test/aws-router-fixture.ts';
import { AwsError, type AwsInput, type AwsStreamService } from './index.ts';

const createdAt = new Date(1_767_323_045_678);

/** The input of the last call. */
let requested: AwsInput = {};
const sagemaker = awsServiceRunning('sagemaker', {
  DescribeEndpoint({ EndpointName: name }, { account, region }) {
    if (name === 'gone') throw new AwsError('ValidationException', 'Could not find endpoint "arn:…".');
    return {
      EndpointName: name,
      EndpointArn: `arn:aws:sagemaker:${region}:${account}:endpoint/${String(name)}`,
      CreationTime: createdAt,
    };
  },
  ListModels(input) {
    requested = input;
    return { Models: [] };
  },
});

/** A store for one object that reports the parameters it received. */
let stored: { body: string; path: string; headers: Record<string, unknown>; query: string; trailers: unknown } | null = null;
const s3: AwsStreamService = {
  name: 's3',
  async handle(request, response) {
    const { path, headers } = request;
    if (request.method === 'GET') {
      if (stored !== null) stored.query = String(request.query);
      response.writeHead(200, { 'content-type': 'text/plain' }).end(stored?.body ?? '');
      return;
    }
    stored = null;
    const body = await text(request.body);
    stored = { body, path, headers, query: String(request.query), trailers: request.trailers() };
    response.writeHead(200, { etag: '"e"' }).end();
  },
};

const runtime: AwsStreamService = {
  name: 'sagemaker-runtime',
  handle: async (request, response) => void response.writeHead(200, ['content-type', 'text/csv']).end(await request.readBody(64)),
};

let router: AwsRouterFixture;
before(async () => {
  router = await openAwsRouter({ services: [sagemaker], streams: [s3, runtime] });
});
after(() => router.close());

describe("AWS's own client", () => {
  for (const prefix of ['', '/aws']) {
    test(`gets the caller's identity at '${prefix || '/'}'`, async () => {
      const sts = new STSClient({ ...router.client, endpoint: `${router.url}${prefix}` });
      const { UserId, Account, Arn, $metadata } = await sts.send(new GetCallerIdentityCommand({}));
      assert.deepEqual(
        [UserId, Account, Arn],
        [router.key.id, awsLocation.account, `arn:aws:iam::${awsLocation.account}:user/${router.key.id}`],
      );
      assert.match($metadata.requestId ?? '', /^[0-9a-f-]{36}$/);
    });
  }

  test('calls an operation and gets times as times', async () => {
    const client = new SageMakerClient(router.client);
    const answer = await client.send(new DescribeEndpointCommand({ EndpointName: 'fraud' }));
    assert.deepEqual(answer.CreationTime, createdAt);
    assert.equal(answer.EndpointArn, `arn:aws:sagemaker:${awsLocation.region}:${awsLocation.account}:endpoint/fraud`);
    await client.send(new ListModelsCommand({ CreationTimeAfter: createdAt }));
    assert.deepEqual(requested, { CreationTimeAfter: createdAt.getTime() });
  });

  test('decodes errors', async () => {
    const client = new SageMakerClient(router.client);
    const describe = (EndpointName: string) => client.send(new DescribeEndpointCommand({ EndpointName }));
    await assert.rejects(describe('gone'), { name: 'ValidationException', message: 'Could not find endpoint "arn:…".' });
    await assert.rejects(describe('a b'), {
      name: 'ValidationException',
      message: /^1 validation error detected: Value 'a b' at 'endpointName'/,
    });
    const other = new SageMakerClient({ ...router.client, credentials: { accessKeyId: router.key.id, secretAccessKey: 'x'.repeat(40) } });
    await assert.rejects(other.send(new DescribeEndpointCommand({ EndpointName: 'a' })), { name: 'InvalidSignatureException' });
  });

  test('corrects a wrong clock from the error and retries', async () => {
    for (const systemClockOffset of [-3_600_000, 3_600_000]) {
      const client = new SageMakerClient({ ...router.client, systemClockOffset, maxAttempts: 2 });
      assert.equal((await client.send(new DescribeEndpointCommand({ EndpointName: 'e' }))).EndpointName, 'e');
    }
  });

  test('uploads a chunked stream with a trailing checksum', async () => {
    const client = new S3Client({ ...router.client, forcePathStyle: true });
    const pieces = Array.from({ length: 300 }, (_, i) => `${i} `.repeat(300));
    const Body = Readable.from(pieces.map((piece) => Buffer.from(piece)));
    await client.send(new PutObjectCommand({ Bucket: 'models', Key: 'a b', Body, ContentLength: pieces.join('').length }));
    assert.equal(stored?.body, pieces.join(''));
    assert.equal(stored?.headers['content-encoding'], undefined);
    assert.deepEqual(Object.keys(stored?.trailers ?? {}), ['x-amz-checksum-crc32']);
  });

  test('presigns URLs that work for any holder until they are changed', async () => {
    const client = new S3Client({ ...router.client, forcePathStyle: true });
    const url = await getSignedUrl(client, new PutObjectCommand({ Bucket: 'models', Key: 'ü/1' }), { expiresIn: 60 });
    assert.equal((await fetch(url, { method: 'PUT', body: 'by url' })).status, 200);
    assert.equal(stored?.body, 'by url');
    assert.doesNotMatch(stored?.query ?? '', /X-Amz-(?:Signature|Credential|Date)/);
    assert.equal(await (await fetch(await getSignedUrl(client, new GetObjectCommand({ Bucket: 'models', Key: 'k' })))).text(), 'by url');
    for (const changed of [url.replace('%C3%BC', 'u'), url.replace('Expires=60', 'Expires=61'), `${url}&uploads=`]) {
      const reply = await fetch(changed, { method: 'PUT', body: 'more' });
      assert.equal(reply.status, 403);
      assert.match(await reply.text(), /<Code>SignatureDoesNotMatch</);
    }
    assert.equal((await fetch(url, { method: 'DELETE' })).status, 403);
  });
});

test('any names and bytes that a client signs and sends are accepted unchanged', async () => {
  const client = new S3Client({ ...router.client, forcePathStyle: true });
  const invoking = new SageMakerRuntimeClient(router.client);
  const name = fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' });
  // No endpoint can be named `.` or `..`: clients normalize the path before they sign it, but send the original.
  const endpoint = name.filter((text) => !/^\.{1,2}$/.test(text));
  const header = fc.string({ minLength: 1, maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(name, endpoint, header, fc.uint8Array({ maxLength: 60 }), async (key, prefix, value, bytes) => {
      await client.send(new PutObjectCommand({ Bucket: 'models', Key: key, Body: bytes, Metadata: { value } }));
      assert.deepEqual([stored?.body, decodeURIComponent(stored?.path ?? '')], [Buffer.from(bytes).toString(), `/models/${key}`]);
      assert.equal(stored?.headers['x-amz-meta-value'], value.trim());
      const read = await client.send(new GetObjectCommand({ Bucket: 'models', Key: 'k', ResponseContentType: prefix }));
      await read.Body?.transformToString();
      assert.equal(new URLSearchParams(stored?.query).get('response-content-type'), prefix);
      const answer = await invoking.send(new InvokeEndpointCommand({ EndpointName: prefix, Body: bytes, CustomAttributes: value.trim() }));
      assert.deepEqual(Buffer.from(answer.Body ?? []), Buffer.from(bytes));
      assert.match(answer.$metadata.requestId ?? '', /^[0-9a-f-]{36}$/);
    }),
    { numRuns: 60 },
  );
});
