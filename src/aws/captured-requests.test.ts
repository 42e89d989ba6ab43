/** Accepts requests captured from AWS's own clients, and rejects them with one character changed. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { accessWith, type Captured, captured, capturedKey, mutations, replay, verify } from '../../test/aws/captured-requests.ts';
import { awsServiceRunning } from '../../test/aws-operations.ts';
import { type AwsRouterFixture, openAwsRouter } from '../../test/aws-router-fixture.ts';
import { AwsError, type AwsInput, type AwsService, type AwsStreamService, type OperationRun, type VerifiedRequest } from './index.ts';
import { SignatureError } from './wire/signatures/signature-error.ts';

const names: Readonly<Record<string, AwsService['name']>> = { monitoring: 'cloudwatch' };
const good = captured.filter(({ expect }) => expect.ok);
const tampered = captured.filter(({ expect }) => !expect.ok);

/** The calls that the services behind the router received. */
let received: { service: string; operation?: string; input?: AwsInput; request?: VerifiedRequest; body?: Buffer } | null = null;

function recorders(): AwsService[] {
  const byService = Map.groupBy(
    good.filter(({ expect }) => !expect.protocol.startsWith('rest-')),
    ({ expect }) => expect.service,
  );
  return [...byService].map(([scope, lines]) => {
    const name = names[scope] ?? (scope as AwsService['name']);
    const runs = lines.map(({ expect: { operation } }): [string, OperationRun] => [
      operation,
      (input) => {
        received = { service: name, operation, input };
        return {};
      },
    ]);
    return awsServiceRunning(name, Object.fromEntries(runs));
  });
}

function streamRecorder(name: AwsStreamService['name']): AwsStreamService {
  return {
    name,
    async handle(request, response) {
      const body = name === 's3' ? Buffer.concat(await request.body.toArray()) : await request.readBody(2 ** 20);
      received = { service: name, request, body };
      response.writeHead(200).end();
    },
  };
}

describe('a captured client request', () => {
  let nowMs = 0;
  let router: AwsRouterFixture;
  before(async () => {
    const clock = { wallMs: () => nowMs };
    router = await openAwsRouter({
      services: recorders().filter(({ name }) => name !== 'sts'),
      streams: [streamRecorder('s3'), streamRecorder('sagemaker-runtime')],
      clock,
      key: capturedKey,
    });
  });
  after(() => router.close());

  const send = (line: Captured) => {
    nowMs = Date.parse(line.now);
    received = null;
    return replay(router.url, line);
  };

  for (const line of good) {
    test(`is accepted and decoded: ${line.id}`, async () => {
      const { expect } = line;
      const reply = await send(line);
      assert.equal(reply.status, 200, reply.body);
      if (expect.operation === 'GetCallerIdentity') return assert.match(reply.body, /<Account>/);
      const arrived = received;
      assert(arrived !== null);
      if (expect.protocol === 'rest-json') assert.equal(arrived.service, 'sagemaker-runtime');
      else assert.equal(arrived.service, names[expect.service] ?? expect.service);
      if (arrived.operation !== undefined) {
        assert.equal(arrived.operation, expect.operation);
        const members = expect.protocol === 'query' || line.bodyBase64 !== undefined ? expect.input : JSON.parse(line.body ?? '{}');
        for (const [name, value] of Object.entries(members ?? {})) {
          assert.deepEqual(arrived.input?.[name], /^[A-Z].*Time(?:After)?$/.test(name) ? timeOf(value) : value);
        }
        return;
      }
      checkStream(line, arrived.request as VerifiedRequest, arrived.body as Buffer);
    });
  }

  for (const line of tampered) {
    test(`is rejected if changed: ${line.id}`, async () => {
      const reply = await send(line);
      assert.deepEqual([reply.status, codeOf(reply.body), received], [line.expect.httpStatus, line.expect.code, null]);
      if (line.expect.reason === 'clock-skew') assert.match(reply.body, /"Signature expired: /);
      if (line.expect.reason === 'expired') assert.match(reply.body, /<Message>Request has expired</);
    });
  }
});

function timeOf(value: unknown): unknown {
  return typeof value === 'number' ? Math.round(value * 1000) : Date.parse(String(value));
}

function checkStream({ expect }: Captured, request: VerifiedRequest, body: Buffer): void {
  const path = request.hostBucket === null ? request.path : `/${request.hostBucket}${request.path}`;
  if (expect.bucket !== undefined) assert.equal(decodeURIComponent(path.split('/')[1] ?? ''), expect.bucket);
  if (expect.key !== undefined) assert.equal(decodeURIComponent(path.split('/').slice(2).join('/')), expect.key);
  if (expect.decodedLength !== undefined) assert.equal(body.length, expect.decodedLength);
  if (expect.trailers !== undefined) assert.deepEqual(request.trailers(), expect.trailers);
  assert.equal(request.headers['content-encoding'], undefined);
  assert.equal(request.query.get('X-Amz-Signature') ?? request.query.get('AWSAccessKeyId'), null);
  assert.equal(request.contentLength ?? body.length, body.length);
  if (expect.input?.EndpointName !== undefined) assert.equal(decodeURIComponent(path.split('/')[2] ?? ''), expect.input.EndpointName);
}

function codeOf(body: string): string | undefined {
  return /<Code>(\w+)</.exec(body)?.[1] ?? (JSON.parse(body) as { __type: string }).__type;
}

describe('a signature', () => {
  test('is rejected with another secret', async () => {
    for (const line of good) {
      const access = accessWith({ ...capturedKey, secret: 'secretsecretsecreT' });
      await assert.rejects(verify(line, { access }), SignatureError, line.id);
    }
  });

  test('does not match if any signed character is changed', async () => {
    let count = 0;
    for (const line of good) {
      for (const { what, line: changed, body } of mutations(line)) {
        count++;
        const isRefusal = (error: unknown): boolean => error instanceof SignatureError || error instanceof AwsError;
        await assert.rejects(verify(changed, { body }), isRefusal, `${line.id}: ${what}`);
      }
    }
    assert(count >= 575, `only ${count} mutations`);
  });

  test('is valid within the allowed clock skew, or until it expires', async () => {
    for (const line of good) {
      const at = Date.parse(line.now);
      if (line.expect.scheme !== 'v4-header') continue;
      await verify(line, { nowMs: at - 899_000 });
      await verify(line, { nowMs: at + 899_000 });
      await assert.rejects(verify(line, { nowMs: at + 902_000 }), { reason: 'clock-skew', message: /^Signature expired: / });
      await assert.rejects(verify(line, { nowMs: at - 902_000 }), { reason: 'clock-skew', message: /^Signature expired: / });
    }
  });
});
