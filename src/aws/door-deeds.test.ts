/** Each call that changes something is in the audit once it is done, whatever records it: by AWS's own table of operations, so that none is forgotten. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { json, sendSigned } from '../../test/aws/signed-request.ts';
import { type OpenAwsDoor, openAwsDoor } from '../../test/aws-door.ts';
import { VirtualClock } from '../clock.ts';
import { Audit, type DeedEntry, originNow } from '../monitoring/index.ts';
import { openDatabase } from '../storage/index.ts';
import type { AwsService } from './index.ts';
import { type Shape, shapesOf } from './shapes/shapes.ts';
import { isChange } from './wire/permissions.ts';

const names = ['sagemaker', 'application-autoscaling', 'cloudwatch', 'logs', 'events', 'cloudtrail'] as const;

/** What CloudTrail has as data events: a caller of models sends them all the time. */
const data = ['PutMetricData', 'PutLogEvents', 'PutEvents'];

/** One of them fits each pattern that there is. */
const texts = [
  'a',
  'arn:aws:sagemaker:us-east-1:000000000000:model-package/g/1',
  'arn:aws:iam::000000000000:role/role',
  's3://bucket/key',
  'ml.m5.large',
  'arn:aws:application-autoscaling:us-east-1:000000000000:scalable-target/1',
];

/** The least that the shape takes. */
function least(shape: Shape): unknown {
  const { type, enumeration, required, members, min = 1 } = shape;
  if (enumeration !== undefined) return enumeration[0];
  if (type === 'structure') return Object.fromEntries(required.map((name) => [name, least(members.get(name) as Shape)]));
  if (type === 'list') return [least(shape.element)];
  if (type === 'map') return {};
  if (type === 'boolean') return true;
  if (type !== 'string') return min;
  return (texts.find((text) => shape.pattern?.test(text) ?? true) ?? '').padEnd(min, 'a');
}

const silent = (name: (typeof names)[number]): AwsService => ({
  name,
  operations: Object.fromEntries(
    shapesOf(name)
      .operationNames()
      .map((operation) => [operation, () => ({})]),
  ),
});

async function keep(entry: DeedEntry): Promise<void> {
  done.push(entry);
  asked = originNow()?.parameters;
}

/** As CloudTrail writes members; the maps that are sent here are empty. */
function lowerCamel(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(lowerCamel);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name.replace(/^./, (first) => first.toLowerCase()), lowerCamel(inner)]),
  );
}

/** What AWS's shapes call sensitive is not told. */
function shown(shape: Shape | null, sent: unknown): object {
  const members = Object.entries(sent as object);
  return Object.fromEntries(
    members.map(([name, value]) => [name, shape?.members.get(name)?.isSensitive === true ? '***' : (value as unknown)]),
  );
}

let door: OpenAwsDoor;
const done: DeedEntry[] = [];
/** What was asked, of the last one. */
let asked: unknown;
before(async () => {
  door = await openAwsDoor({ services: names.map(silent), onDone: keep, onRefused: async () => void (asked = originNow()?.parameters) });
});
after(() => door.close());

function call({ url, key }: OpenAwsDoor, name: (typeof names)[number], operation: string, input: unknown) {
  const { targetPrefix = 'GraniteServiceVersion20100801', jsonVersion, signingName } = shapesOf(name);
  const request = json(`${targetPrefix}.${operation}`, input);
  const headers = { ...request.headers, 'content-type': `application/x-amz-json-${jsonVersion}` };
  return sendSigned(url, { key, service: signingName, ...request, headers });
}

describe('a call that nothing else has recorded is recorded by the door where it changes something:', () => {
  for (const name of names) {
    test(name, async () => {
      const wrong: string[] = [];
      for (const operation of shapesOf(name).operationNames()) {
        done.length = 0;
        const input = shapesOf(name).operation(operation)?.input ?? null;
        const sent = input === null ? {} : least(input);
        const reply = await call(door, name, operation, sent);
        if (reply.status !== 200) wrong.push(`${operation}: ${reply.body}`);
        const isLook = /^(?:Describe|List|Get|Batch|Lookup|Filter|Search|Test)/.test(operation);
        const expected = isLook || data.includes(operation) ? [] : [operation];
        if (done.length > 0 && !isDeepStrictEqual(asked, lowerCamel(shown(input, sent))))
          wrong.push(`${operation}: asked ${JSON.stringify(asked)}`);
        if (done.map(({ action }) => action).join() !== expected.join()) wrong.push(`${operation}: recorded ${done.length} times`);
      }
      assert.deepEqual(wrong, []);
    });
  }
});

test('it says who, what about, and nothing that is secret', async () => {
  done.length = 0;
  const ResourceArn = 'arn:aws:sagemaker:us-east-1:000000000000:endpoint/digits';
  await call(door, 'sagemaker', 'AddTags', { ResourceArn, Tags: [{ Key: 'a', Value: 'b' }] });
  const detail = { ResourceArn, Tags: [{ Key: 'a', Value: 'b' }] };
  assert.deepEqual(done, [{ who: door.key.id, action: 'AddTags', target: 'digits', outcome: 'ok', detail }]);
});

test('of a call that is refused it says what was asked, too', async () => {
  asked = null;
  const reply = await call(door, 'sagemaker', 'DeleteEndpoint', { EndpointName: '-' });
  assert.equal(reply.status, 400);
  assert.deepEqual(asked, { endpointName: '-' });
});

test('what a call reached and recorded is not recorded again', async (t) => {
  const { db, close } = await openDatabase({ file: ':memory:', synchronous: 'NORMAL' });
  t.after(close);
  const audit = new Audit(db, new VirtualClock());
  const DeleteModel = async () => {
    await audit.record(db, { who: 'w', action: 'DeleteModel', target: 'm', outcome: 'ok', detail: {} });
    return {};
  };
  const own = await openAwsDoor({
    services: [{ name: 'sagemaker', operations: { DeleteModel } }],
    onDone: (entry) => audit.record(db, entry),
  });
  t.after(() => own.close());
  await call(own, 'sagemaker', 'DeleteModel', { ModelName: 'm' });
  assert.deepEqual(
    (await audit.list({ limit: 9 })).map(({ who, action }) => [who, action]),
    [['w', 'DeleteModel']],
  );
});

test('of what no table knows it is a change unless its name says that it looks', () => {
  assert.deepEqual(['RenameEverything', 'DescribeEverything'].map(isChange), [true, false]);
});
