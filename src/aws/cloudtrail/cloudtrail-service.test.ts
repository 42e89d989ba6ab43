import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import { Audit } from '../../monitoring/index.ts';
import { openDatabase } from '../../storage/index.ts';
import { cloudtrailService } from './cloudtrail-service.ts';

test('deeds and refusals are looked up by service, by kind of thing, and by whether they only look', async (t) => {
  const { db, close } = await openDatabase({ file: ':memory:', synchronous: 'NORMAL' });
  t.after(close);
  const audit = new Audit(db, new VirtualClock());
  const done = { who: 'AKIA', outcome: 'ok', detail: {} };
  await audit.record(db, { ...done, action: 'CreateLogGroup', target: '/mine' });
  await audit.record(db, { ...done, action: 'CreateEndpoint', target: 'digits' });
  await audit.record(db, { ...done, action: 'Plan', target: 'digits/1' });
  await audit.record(db, { ...done, action: 'CreateModelGroup', target: 'digits' });
  const detail = { service: 'cloudwatch', message: 'no', claimed: 'AKIB' };
  await audit.recordRefused({ who: 'unknown', action: 'DescribeAlarms', target: '', outcome: 'unauthenticated', detail });

  const lookUp = cloudtrailService({ audit }).operations.LookupEvents as (input: object, call: object) => Promise<{ Events: Looked[] }>;
  const found = async (AttributeKey: string, AttributeValue: string): Promise<Looked[]> =>
    (await lookUp({ LookupAttributes: [{ AttributeKey, AttributeValue }] }, { account: '000000000000', region: 'us-east-1' })).Events;
  const names = async (key: string, value: string) => (await found(key, value)).map(({ EventName }) => EventName);

  assert.deepEqual(await names('EventSource', 'logs.amazonaws.com'), ['CreateLogGroup']);
  assert.deepEqual(await names('EventSource', 'monitoring.amazonaws.com'), ['DescribeAlarms']);
  assert.deepEqual(await names('ResourceType', 'AWS::SageMaker::Endpoint'), ['CreateEndpoint']);
  assert.deepEqual(await names('ReadOnly', 'true'), ['DescribeAlarms']);
  assert.deepEqual(await names('ReadOnly', 'false'), ['CreateModelPackageGroup', 'Plan', 'CreateEndpoint', 'CreateLogGroup']);
  const [group] = await found('EventName', 'CreateLogGroup');
  assert.deepEqual(
    [group?.EventSource, group?.Resources],
    ['logs.amazonaws.com', [{ ResourceType: 'AWS::Logs::LogGroup', ResourceName: '/mine' }]],
  );
  assert.deepEqual(await names('EventName', 'CreateModelPackageGroup'), ['CreateModelPackageGroup']);
  assert.deepEqual(await names('EventName', 'CreateModelGroup'), []);
  const [plan] = await found('EventName', 'Plan');
  assert.deepEqual(plan?.Resources, [{ ResourceName: 'digits/1' }]);
});

interface Looked {
  readonly EventName: string;
  readonly EventSource: string;
  readonly Resources: readonly object[];
}
