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
import { type SignOptions, send, sendSigned } from '../../test/aws/signed-request.ts';
import { type OpenAwsDoor, openAwsDoor, place } from '../../test/aws-door.ts';
import { PlatformError } from '../errors.ts';
import { type AccessLine, type Origin, originNow } from '../monitoring/index.ts';
import { AwsError, type AwsInput, type AwsService, type AwsStreamService } from './index.ts';

const createdAt = new Date(1_767_323_045_678);

/** The input of the last call. */
let asked: AwsInput = {};

const refusals: Readonly<Record<string, () => Error>> = {
  gone: () => new AwsError('ValidationException', 'Could not find endpoint "arn:…".'),
  hinted: () => new PlatformError('wrong_state', 'it is busy', { hint: 'wait' }),
  busy: () => new PlatformError('overloaded', 'the queue is full', { retryAfterMs: 2500 }),
  broken: () => new TypeError('secret of the house'),
  unspeakable: () => new AwsError('Not a\r\nheader', 'x'),
  unwritable: () => new AwsError('ValidationException', 'x', { members: { Count: 1n } }),
};

const sagemaker: AwsService = {
  name: 'sagemaker',
  operations: {
    DescribeEndpoint({ EndpointName: name }, { account, region }) {
      const refusal = refusals[String(name)];
      if (refusal !== undefined) throw refusal();
      return {
        EndpointName: name,
        EndpointArn: `arn:aws:sagemaker:${region}:${account}:endpoint/${String(name)}`,
        CreationTime: createdAt,
      };
    },
    ListModels(input) {
      asked = input;
      return { Models: [] };
    },
    CreateEndpoint: () => ({ EndpointArn: 'arn' }),
    UpdateModelPackage: () => ({ ModelPackageArn: 'arn' }),
  },
};

const cloudwatch: AwsService = {
  name: 'cloudwatch',
  operations: {
    PutMetricData(input) {
      asked = input;
      return {};
    },
    DescribeAlarms(input) {
      asked = input;
      if (input.AlarmNamePrefix === 'bad') throw new AwsError('InvalidNextToken', 'no such page');
      if (input.AlarmNamePrefix === 'odd') throw new PlatformError('invalid_request', 'that <odd> prefix');
      return {
        MetricAlarms: [{ AlarmName: 'a<b>&"c"', Threshold: 0.5, ActionsEnabled: true, StateUpdatedTimestamp: createdAt, Dimensions: [] }],
      };
    },
    DeleteAlarms: () => ({}),
  },
};

/** Keeps one object, and says what it was told. */
let stored: { body: string; path: string; headers: Record<string, unknown>; query: string; trailers: unknown } | null = null;
let origin: Origin | null = null;
const s3: AwsStreamService = {
  name: 's3',
  async handle(request, response) {
    const { path, headers } = request;
    origin = originNow();
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

let door: OpenAwsDoor;
const refused: unknown[] = [];
const accessed: AccessLine[] = [];
before(async () => {
  door = await openAwsDoor({
    writeAccess: (line) => void accessed.push(line),
    onRefused: async (keyId, { action, target, outcome }) => void refused.push([keyId, action, target, outcome, originNow()?.door]),
    services: [sagemaker, cloudwatch],
    streams: [s3, runtime],
    limits: { documentBytesMax: 100_000, unpackedBytesMax: 50_000 },
  });
});
after(() => door.close());

function call(service: string, options: Omit<SignOptions, 'service' | 'key'> & { readonly key?: SignOptions['key'] }) {
  return sendSigned(door.url, { key: door.key, service, ...options });
}

function json(target: string, document: unknown, version = '1.1') {
  const headers = { 'x-amz-target': target, 'content-type': `application/x-amz-json-${version}` };
  return { headers, body: JSON.stringify(document) };
}

function form(fields: Readonly<Record<string, string>>) {
  return { headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' }, body: new URLSearchParams(fields).toString() };
}

function typeOf(body: string): string {
  return (JSON.parse(body) as { __type: string }).__type;
}

function messageOf(body: string): string {
  return (JSON.parse(body) as { message: string }).message;
}

describe("AWS's own client", () => {
  for (const prefix of ['', '/aws']) {
    test(`learns who it is at '${prefix || '/'}'`, async () => {
      const sts = new STSClient({ ...door.client, endpoint: `${door.url}${prefix}` });
      const { UserId, Account, Arn, $metadata } = await sts.send(new GetCallerIdentityCommand({}));
      assert.deepEqual([UserId, Account, Arn], [door.key.id, place.account, `arn:aws:iam::${place.account}:user/${door.key.id}`]);
      assert.match($metadata.requestId ?? '', /^[0-9a-f-]{36}$/);
    });
  }

  test('calls an operation and gets times as times', async () => {
    const client = new SageMakerClient(door.client);
    const answer = await client.send(new DescribeEndpointCommand({ EndpointName: 'fraud' }));
    assert.deepEqual(answer.CreationTime, createdAt);
    assert.equal(answer.EndpointArn, `arn:aws:sagemaker:${place.region}:${place.account}:endpoint/fraud`);
    await client.send(new ListModelsCommand({ CreationTimeAfter: createdAt }));
    assert.deepEqual(asked, { CreationTimeAfter: createdAt.getTime() });
  });

  test('understands refusals', async () => {
    const client = new SageMakerClient(door.client);
    const describe = (EndpointName: string) => client.send(new DescribeEndpointCommand({ EndpointName }));
    await assert.rejects(describe('gone'), { name: 'ValidationException', message: 'Could not find endpoint "arn:…".' });
    await assert.rejects(describe('a b'), {
      name: 'ValidationException',
      message: /^1 validation error detected: Value 'a b' at 'endpointName'/,
    });
    const other = new SageMakerClient({ ...door.client, credentials: { accessKeyId: door.key.id, secretAccessKey: 'x'.repeat(40) } });
    await assert.rejects(other.send(new DescribeEndpointCommand({ EndpointName: 'a' })), { name: 'InvalidSignatureException' });
  });

  test('whose clock is off is told so, and tries again with ours', async () => {
    for (const systemClockOffset of [-3_600_000, 3_600_000]) {
      const client = new SageMakerClient({ ...door.client, systemClockOffset, maxAttempts: 2 });
      assert.equal((await client.send(new DescribeEndpointCommand({ EndpointName: 'e' }))).EndpointName, 'e');
    }
  });

  test('uploads a stream in chunks, with its checksum behind it', async () => {
    const client = new S3Client({ ...door.client, forcePathStyle: true });
    const pieces = Array.from({ length: 300 }, (_, i) => `${i} `.repeat(300));
    const Body = Readable.from(pieces.map((piece) => Buffer.from(piece)));
    await client.send(new PutObjectCommand({ Bucket: 'models', Key: 'a b', Body, ContentLength: pieces.join('').length }));
    assert.equal(stored?.body, pieces.join(''));
    assert.equal(stored?.headers['content-encoding'], undefined);
    assert.deepEqual(Object.keys(stored?.trailers ?? {}), ['x-amz-checksum-crc32']);
  });

  test('hands out URLs that work for whoever has them, as long as they are left alone', async () => {
    const client = new S3Client({ ...door.client, forcePathStyle: true });
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

test('whatever a client names, signs and sends is let in and arrives', async () => {
  const client = new S3Client({ ...door.client, forcePathStyle: true });
  const invoking = new SageMakerRuntimeClient(door.client);
  const name = fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' });
  // No endpoint can be called `.` or `..`: clients sign such a path without it, and send it as it is.
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

describe('an answer has the form of its protocol:', () => {
  test('JSON 1.1', async () => {
    const reply = await call('sagemaker', json('SageMaker.DescribeEndpoint', { EndpointName: 'e' }));
    assert.deepEqual([reply.status, reply.headers['content-type']], [200, 'application/x-amz-json-1.1']);
    assert.match(String(reply.headers['x-amzn-requestid']), /^[0-9a-f-]{36}$/);
    assert(reply.headers.date !== undefined);
    assert.match(reply.body, /"CreationTime":1767323045\.678/);
  });

  test('JSON 1.0', async () => {
    const reply = await call('monitoring', json('GraniteServiceVersion20100801.DescribeAlarms', { AlarmNamePrefix: 'a' }, '1.0'));
    assert.equal(reply.headers['content-type'], 'application/x-amz-json-1.0');
    assert.match(reply.body, /"StateUpdatedTimestamp":1767323045\.678/);
  });

  test('query', async () => {
    const reply = await call(
      'monitoring',
      form({ Action: 'DescribeAlarms', Version: '2010-08-01', 'AlarmNames.member.1': 'b', 'AlarmNames.member.2': 'ü +' }),
    );
    assert.deepEqual([reply.status, reply.headers['content-type']], [200, 'text/xml']);
    assert.deepEqual(asked, { AlarmNames: ['b', 'ü +'] });
    const { body } = reply;
    assert.match(
      body,
      /^<\?xml version="1\.0" encoding="UTF-8"\?>\n<DescribeAlarmsResponse xmlns="http:\/\/monitoring\.amazonaws\.com\/doc\/2010-08-01\/">/,
    );
    assert.match(body, /<DescribeAlarmsResult><MetricAlarms><member><AlarmName>a&lt;b&gt;&amp;&quot;c&quot;<\/AlarmName>/);
    assert.match(body, /<StateUpdatedTimestamp>2026-01-02T03:04:05\.678Z<\/StateUpdatedTimestamp>/);
    assert.match(
      body,
      /<Dimensions\/>.*<ResponseMetadata><RequestId>[0-9a-f-]{36}<\/RequestId><\/ResponseMetadata><\/DescribeAlarmsResponse>$/,
    );
  });

  test('nothing at all', async () => {
    const document = await call('monitoring', json('GraniteServiceVersion20100801.DeleteAlarms', { AlarmNames: [] }, '1.0'));
    assert.equal(document.body, '{}');
    const query = await call('monitoring', form({ Action: 'DeleteAlarms', AlarmNames: '' }));
    assert.match(
      query.body,
      /<DeleteAlarmsResponse xmlns="[^"]+"><ResponseMetadata><RequestId>[^<]+<\/RequestId><\/ResponseMetadata><\/DeleteAlarmsResponse>$/,
    );
  });

  test('a call in a query, presigned or not', async () => {
    const reply = await call('sts', { method: 'GET', path: '/?Action=GetCallerIdentity&Version=2011-06-15' });
    assert.match(reply.body, /<GetCallerIdentityResult><UserId>AKIA/);
  });
});

describe('a refusal has the form of its protocol:', () => {
  for (const [name, status, type, message] of [
    ['gone', 400, 'ValidationException', 'Could not find endpoint "arn:…".'],
    ['hinted', 400, 'ValidationException', 'it is busy; wait'],
    ['busy', 400, 'ThrottlingException', 'the queue is full'],
  ] as const) {
    test(`JSON 1.1, ${type}: ${message}`, async () => {
      const reply = await call('sagemaker', json('SageMaker.DescribeEndpoint', { EndpointName: name }));
      assert.deepEqual([reply.status, reply.headers['x-amzn-errortype'], typeOf(reply.body)], [status, type, type]);
      assert.deepEqual(JSON.parse(reply.body), { __type: type, Message: message, message });
      assert.equal(reply.headers['retry-after'], name === 'busy' ? '3' : undefined);
    });
  }

  test('our own mistakes stay in the log', async () => {
    const reply = await call('sagemaker', json('SageMaker.DescribeEndpoint', { EndpointName: 'broken' }));
    assert.deepEqual([reply.status, typeOf(reply.body)], [500, 'InternalFailure']);
    assert.doesNotMatch(reply.body, /secret/);
    assert(messageOf(reply.body).includes(String(reply.headers['x-amzn-requestid'])));
  });

  test('one that cannot be told ends the connection, and nothing else', async () => {
    for (const EndpointName of ['unspeakable', 'unwritable']) {
      await assert.rejects(call('sagemaker', json('SageMaker.DescribeEndpoint', { EndpointName })), /socket hang up/);
    }
    assert.equal((await call('sagemaker', json('SageMaker.DescribeEndpoint', { EndpointName: 'e' }))).status, 200);
  });

  test('JSON 1.0 has the names of shapes, and beside them those of the query protocol', async () => {
    const bad = await call('monitoring', json('GraniteServiceVersion20100801.DescribeAlarms', { AlarmNamePrefix: 'bad' }, '1.0'));
    assert.deepEqual(
      [bad.status, typeOf(bad.body), bad.headers['x-amzn-query-error']],
      [400, 'InvalidNextToken', 'InvalidNextToken;Sender'],
    );
    const odd = await call('monitoring', json('GraniteServiceVersion20100801.DescribeAlarms', { AlarmNamePrefix: 'odd' }, '1.0'));
    assert.deepEqual(
      [typeOf(odd.body), odd.headers['x-amzn-query-error']],
      ['InvalidParameterValueException', 'InvalidParameterValue;Sender'],
    );
  });

  test('query', async () => {
    const reply = await call('monitoring', form({ Action: 'DescribeAlarms', AlarmNamePrefix: 'odd' }));
    assert.deepEqual([reply.status, reply.headers['content-type']], [400, 'text/xml']);
    assert.match(
      reply.body,
      /<Error><Type>Sender<\/Type><Code>InvalidParameterValue<\/Code><Message>that &lt;odd&gt; prefix<\/Message><\/Error><RequestId>/,
    );
  });

  for (const [what, options, status, type] of [
    ['below /aws', { path: '/aws/models/k', method: 'GET' }, 403, '<Code>AccessDenied<'],
    ['by its target', { headers: { 'x-amz-target': 'SageMaker.ListModels' } }, 403, '"MissingAuthenticationTokenException"'],
    ['by its action', form({ Action: 'GetCallerIdentity' }), 403, '<Code>MissingAuthenticationToken<'],
    ['by its action in the query', { path: '/?Action=GetCallerIdentity' }, 403, '<Code>MissingAuthenticationToken<'],
    ['as an invocation', { path: '/endpoints/e/invocations' }, 403, '"MissingAuthenticationTokenException"'],
    [
      'with a key of our own',
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
    test(`nobody knows whose it is: ${what}`, async () => {
      const reply = await send(door.url, { method: 'POST', path: '/', ...options } as Parameters<typeof send>[1]);
      assert.equal(reply.status, status);
      assert(reply.body.includes(type), reply.body);
    });
  }

  test('an operation that is not served is no server error, and names those that are', async () => {
    const reply = await call('sagemaker', json('SageMaker.CreateTrainingJob', {}));
    assert.deepEqual([reply.status, typeOf(reply.body)], [400, 'UnknownOperationException']);
    assert.match(messageOf(reply.body), /'CreateTrainingJob'.*CreateEndpoint, DescribeEndpoint, ListModels, UpdateModelPackage/);
    for (const target of ['toString', '__proto__', 'constructor', '', 'hasOwnProperty']) {
      assert.equal(typeOf((await call('sagemaker', json(`SageMaker.${target}`, {}))).body), 'UnknownOperationException');
    }
    assert.equal(typeOf((await call('sagemaker', json('Logs_20140328.ListModels', {}))).body), 'UnknownOperationException');
    const query = await call('monitoring', form({ Action: 'Nothing' }));
    assert.deepEqual([query.status, /<Code>(\w+)/.exec(query.body)?.[1]], [400, 'UnknownOperationException']);
  });

  test('a service that is not served is no server error either', async () => {
    const reply = await call('dynamodb', json('DynamoDB_20120810.ListTables', {}, '1.0'));
    assert.deepEqual([reply.status, typeOf(reply.body)], [400, 'UnknownOperationException']);
    assert.match(messageOf(reply.body), /'dynamodb'.*cloudwatch, s3, sagemaker, sagemaker-runtime, sts/);
  });
});

test('what a bucket or an object is made by is known to be this door and its client', async () => {
  await call('s3', { method: 'PUT', path: '/team', headers: { 'user-agent': 'Boto3/1' }, body: '' });
  assert.deepEqual([origin?.door, origin?.remoteAddress, origin?.userAgent], ['aws', '127.0.0.1', 'Boto3/1']);
});

describe('a key opens what its role may:', () => {
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
      const key = door.access.create(role);
      const reply = await call('sagemaker', { key, ...json(`SageMaker.${target}`, document) });
      assert.equal(reply.status, status, reply.body);
      if (status === 200) return;
      const about = target === 'CreateEndpoint' ? 'e' : 'g/1';
      assert.deepEqual(refused.pop(), [key.id, target, about, 'forbidden', 'aws']);
      assert.equal(typeOf(reply.body), 'AccessDeniedException');
      const who = `User: arn:aws:iam::${place.account}:user/${key.id} is not authorized to perform: sagemaker:${target} `;
      assert(messageOf(reply.body).startsWith(who), reply.body);
    });
  }

  test('a wrong signature is told of, by what was asked and the key that was named', async () => {
    const key = { id: door.key.id, secret: 'wrong' };
    await call('sagemaker', { key, ...json('SageMaker.CreateEndpoint', {}) });
    assert.deepEqual(refused.pop(), ['unknown', 'CreateEndpoint', '', 'unauthenticated', 'aws']);
    await call('s3', { key, method: 'PUT', path: '/bucket', headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } });
    assert.deepEqual(refused.pop(), ['unknown', 'CreateBucket', 'bucket', 'unauthenticated', 'aws']);
    await call('sagemaker', { key, path: '/endpoints/e/invocations', body: '1' });
    assert.deepEqual(refused.pop(), ['unknown', 'InvokeEndpoint', 'endpoints/e/invocations', 'unauthenticated', 'aws']);
  });

  test('is told of in the access log with what it called, and an invocation only where it was turned away', async () => {
    accessed.splice(0);
    await call('sts', form({ Action: 'GetCallerIdentity' }));
    await call('sagemaker', { path: '/endpoints/e/invocations', body: '1' });
    await call('sagemaker', { key: { ...door.key, secret: 'wrong' }, path: '/endpoints/e/invocations', body: '1' });
    const told = accessed.map(({ door: by, operation, method, url, status, who, from }) => [by, operation, method, url, status, who, from]);
    assert.deepEqual(told, [
      ['aws', 'GetCallerIdentity', 'POST', '/', 200, door.key.id, '127.0.0.1'],
      ['aws', undefined, 'POST', '/endpoints/e/invocations', 403, null, '127.0.0.1'],
    ]);
  });

  test('a viewer invokes nothing', async () => {
    const reply = await call('sagemaker', { key: door.access.create('viewer'), path: '/endpoints/e/invocations', body: '1' });
    assert.deepEqual([reply.status, reply.headers['x-amzn-errortype']], [403, 'AccessDeniedException']);
  });

  test('one that was revoked opens nothing from then on', async () => {
    const key = door.access.create('viewer');
    const ask = () => call('sts', { key, ...form({ Action: 'GetCallerIdentity' }) });
    assert.equal((await ask()).status, 200);
    door.access.revoke(key.id);
    const reply = await ask();
    assert.deepEqual([reply.status, /<Code>(\w+)/.exec(reply.body)?.[1]], [403, 'InvalidClientTokenId']);
  });
});
