/**
 * Every operation that changes something is audited once it succeeds. The test iterates over all served operations, so a new one cannot be
 * missed.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { json, sendSigned } from '../../test/aws/signed-request.ts';
import { awsOperations, awsServiceRunning } from '../../test/aws-operations.ts';
import { type AwsRouterFixture, openAwsRouter } from '../../test/aws-router-fixture.ts';
import { openMemoryDatabase } from '../../test/empty-database.ts';
import { VirtualClock } from '../clock.ts';
import { type ActionEntry, Audit, currentOrigin } from '../records/index.ts';
import { type Shape, shapesOf } from './shapes/shapes.ts';

const names = ['sagemaker', 'application-autoscaling', 'cloudwatch', 'logs', 'events', 'cloudtrail'] as const;

/** CloudTrail treats these as data events, because clients send them continuously. */
const data = ['PutMetricData', 'PutLogEvents', 'PutEvents'];

/** Each pattern in the shapes matches at least one of these. */
const texts = [
  'a',
  'arn:aws:sagemaker:us-east-1:000000000000:model-package/g/1',
  'arn:aws:sagemaker:us-east-1:000000000000:pipeline/p/execution/0a1b2c3d4e5f',
  'arn:aws:iam::000000000000:role/role',
  's3://bucket/key',
  'ml.m5.large',
  'arn:aws:application-autoscaling:us-east-1:000000000000:scalable-target/1',
];

/** The smallest input that satisfies the shape. */
function least(shape: Shape): unknown {
  const { type, enumeration, required, members, min = 1 } = shape;
  if (enumeration !== undefined) return enumeration[0];
  if (type === 'structure') return Object.fromEntries(required.map((name) => [name, least(members.get(name) as Shape)]));
  if (type === 'list') return [least(shape.element)];
  if (type === 'map') return shape.min === undefined ? {} : { a: least(shape.element) };
  if (type === 'boolean') return true;
  if (type !== 'string') return min;
  return (texts.find((text) => shape.pattern?.test(text) ?? true) ?? '').padEnd(min, 'a');
}

const operationsOf = (name: (typeof names)[number]): string[] => Object.keys(awsOperations[name] ?? {});
const silent = (name: (typeof names)[number]) =>
  awsServiceRunning(name, Object.fromEntries(operationsOf(name).map((operation) => [operation, () => ({})])));

async function keep(entry: ActionEntry): Promise<void> {
  done.push(entry);
  requested = currentOrigin()?.parameters;
}

/** The spelling of members in CloudTrail. Keys of the maps sent here begin in lower case. */
function lowerCamel(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(lowerCamel);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name.replace(/^./, (first) => first.toLowerCase()), lowerCamel(inner)]),
  );
}

/** Replaces members that AWS's shapes mark sensitive. */
function shown(shape: Shape | null, sent: unknown): object {
  const members = Object.entries(sent as object);
  return Object.fromEntries(
    members.map(([name, value]) => [name, shape?.members.get(name)?.isSensitive === true ? '***' : (value as unknown)]),
  );
}

let router: AwsRouterFixture;
const done: ActionEntry[] = [];
/** The input of the last call. */
let requested: unknown;
before(async () => {
  router = await openAwsRouter({
    services: names.map(silent),
    onDone: keep,
    onRefused: async () => void (requested = currentOrigin()?.parameters),
  });
});
after(() => router.close());

function call({ url, key }: AwsRouterFixture, name: (typeof names)[number], operation: string, input: unknown) {
  const { targetPrefix = 'GraniteServiceVersion20100801', jsonVersion, signingName } = shapesOf(name);
  const request = json(`${targetPrefix}.${operation}`, input);
  const headers = { ...request.headers, 'content-type': `application/x-amz-json-${jsonVersion}` };
  return sendSigned(url, { key, service: signingName, ...request, headers });
}

describe('the router audits a change that nothing else has recorded:', () => {
  for (const name of names) {
    test(name, async () => {
      const wrong: string[] = [];
      for (const operation of operationsOf(name)) {
        done.length = 0;
        const input = shapesOf(name).operation(operation)?.input ?? null;
        const sent = input === null ? {} : least(input);
        const reply = await call(router, name, operation, sent);
        if (reply.status !== 200) wrong.push(`${operation}: ${reply.body}`);
        const isLook = /^(?:Describe|List|Get|Batch|Lookup|Filter|Search|Test)/.test(operation);
        const expected = isLook || data.includes(operation) ? [] : [operation];
        if (done.length > 0 && !isDeepStrictEqual(requested, lowerCamel(shown(input, sent))))
          wrong.push(`${operation}: got ${JSON.stringify(requested)}`);
        if (done.map(({ action }) => action).join() !== expected.join()) wrong.push(`${operation}: recorded ${done.length} times`);
      }
      assert.deepEqual(wrong, []);
    });
  }
});

test('the entry names the caller and the target, without secrets', async () => {
  done.length = 0;
  const ResourceArn = 'arn:aws:sagemaker:us-east-1:000000000000:endpoint/digits';
  await call(router, 'sagemaker', 'AddTags', { ResourceArn, Tags: [{ Key: 'a', Value: 'b' }] });
  const detail = { ResourceArn, Tags: [{ Key: 'a', Value: 'b' }] };
  assert.deepEqual(done, [{ who: router.key.id, action: 'AddTags', target: 'digits', outcome: 'ok', detail }]);
});

test('a rejected call is audited with its parameters', async () => {
  requested = null;
  const reply = await call(router, 'sagemaker', 'DeleteEndpoint', { EndpointName: '-' });
  assert.equal(reply.status, 400);
  assert.deepEqual(requested, { endpointName: '-' });
});

test('a change that its service has recorded is not recorded again', async (t) => {
  const { db, close } = await openMemoryDatabase();
  t.after(close);
  const audit = new Audit(db, new VirtualClock());
  const DeleteModel = async () => {
    await audit.record(db, { who: 'w', action: 'DeleteModel', target: 'm', outcome: 'ok', detail: {} });
    return {};
  };
  const own = await openAwsRouter({
    services: [awsServiceRunning('sagemaker', { DeleteModel })],
    onDone: (entry) => audit.record(db, entry),
  });
  t.after(() => own.close());
  await call(own, 'sagemaker', 'DeleteModel', { ModelName: 'm' });
  assert.deepEqual(
    (await audit.list({ limit: 9 })).map(({ who, action }) => [who, action]),
    [['w', 'DeleteModel']],
  );
});
