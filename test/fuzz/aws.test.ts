/** Calls every document operation of the AWS APIs with inputs generated from AWS's shapes and then damaged. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type ServiceShapes, shapesOf } from '../../src/aws/shapes/shapes.ts';
import { type Reply, sendSigned } from '../aws/signed-request.ts';
import { documentFor } from './aws-documents.ts';
import { fuzz } from './campaign.ts';
import type { FuzzRandom } from './fuzz-random.ts';
import { WatchedServer } from './watched-server.ts';

const services = ['sagemaker', 'application-autoscaling', 'cloudwatch', 'logs', 'cloudtrail', 'events'] as const;
const operations = services.flatMap((service) =>
  shapesOf(service)
    .operationNames()
    .map((operation) => ({ service, operation })),
);

interface AwsCase {
  readonly service: (typeof services)[number];
  readonly operation: string;
  readonly document: Record<string, unknown>;
}

let watched: WatchedServer;
let key: { readonly id: string; readonly secret: string };

before(async () => {
  watched = await WatchedServer.start();
  await watched.server.deploy('digits', 'digits_mlp');
  const [id = '', secret = ''] = watched.server.adminKey.split(':');
  key = { id, secret };
  await sendSigned(watched.url, { key, service: 's3', method: 'PUT', path: '/fuzz' });
});

describe('the AWS APIs under fuzzing', () => {
  test('each operation answers in its protocol, and no input causes a server error', async () => {
    await fuzz<AwsCase>({
      name: 'aws',
      cases: 900,
      concurrency: 8,
      generate: awsCase,
      check,
      smaller: ({ document, ...call }) =>
        Object.keys(document).map((name) => ({
          ...call,
          document: Object.fromEntries(Object.entries(document).filter(([each]) => each !== name)),
        })),
      show: ({ service, operation, document }) => `${service} ${operation} ${JSON.stringify(document)}`,
    });
  });

  after(() => watched.end());
});

function awsCase(random: FuzzRandom): AwsCase {
  const { service, operation } = random.pick(operations);
  return { service, operation, document: documentFor(random, shapesOf(service).operation(operation)?.input ?? null) };
}

async function check({ service, operation, document }: AwsCase): Promise<void> {
  const { status, body } = await call(shapesOf(service), operation, document);
  watched.assertWell();
  // 501 names an unsupported feature, 503 a temporary condition.
  assert(status < 500 || status === 501 || status === 503, `status ${status}: ${body.slice(0, 500)}`);
  if (status === 200) return;
  const { __type: type, message } = JSON.parse(body) as { __type?: string; message?: string };
  assert(typeof type === 'string' && typeof message === 'string', `an error must have a type and a message: ${body.slice(0, 300)}`);
  assert.doesNotMatch(type, /InternalFailure|InternalError|InternalServiceFault/);
  assert(message.length < 20_000, `the message has ${message.length} characters`);
  assert.doesNotMatch(message, /\n\s+at |node_modules|\/src\//, 'the message reveals internals');
  assert(!message.includes(watched.server.dataDir), `the message reveals the data directory: ${message}`);
}

function call({ signingName, targetPrefix, jsonVersion }: ServiceShapes, operation: string, document: object): Promise<Reply> {
  const headers = { 'x-amz-target': `${targetPrefix}.${operation}`, 'content-type': `application/x-amz-json-${jsonVersion}` };
  return sendSigned(watched.url, { key, service: signingName, path: '/aws/', headers, body: JSON.stringify(document) });
}
