import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMemoryDatabase } from '../../../test/empty-database.ts';
import { VirtualClock } from '../../clock.ts';
import { type ActionEntry, Audit, withOrigin } from '../../records/index.ts';
import { cloudtrailService } from './cloudtrail-service.ts';

test('changes and rejections can be looked up by service, resource type and read-only flag', async (t) => {
  const { db, close } = await openMemoryDatabase();
  t.after(close);
  const audit = new Audit(db, new VirtualClock());
  const done = { who: 'AKIA', outcome: 'ok', detail: {} };
  await audit.record(db, { ...done, action: 'CreateLogGroup', target: '/mine' });
  await audit.record(db, { ...done, action: 'CreateEndpoint', target: 'digits' });
  await audit.record(db, { ...done, action: 'Plan', target: 'digits/1' });
  await audit.record(db, { ...done, action: 'CreateModelGroup', target: 'digits' });
  const detail = { service: 'cloudwatch', message: 'no', claimed: 'AKIB' };
  await audit.recordRefused({ who: 'unknown', action: 'DescribeAlarms', target: '', outcome: 'unauthenticated', detail });

  const lookUp = cloudtrailService({ audit }).operations.LookupEvents?.run as unknown as (
    input: object,
    call: object,
  ) => Promise<{ Events: Looked[] }>;
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

test('a call with several actions is one event with its own name and all details', async (t) => {
  const { db, close } = await openMemoryDatabase();
  t.after(close);
  const audit = new Audit(db, new VirtualClock());
  const call = (operation: string, requestId: string, ...actions: Pick<ActionEntry, 'action' | 'target' | 'detail'>[]): Promise<void> =>
    withOrigin({ protocol: 'aws', remoteAddress: '', userAgent: '', requestId, operation }, async () => {
      for (const action of actions) await audit.record(db, { who: 'AKIA', outcome: 'ok', ...action });
    });
  const registered = { action: 'RegisterModelVersion', target: 'g/1', detail: { sourceName: 'm.onnx' } } as const;
  const approved = { action: 'SetApproval', target: 'g/1', detail: { from: 'PendingManualApproval', to: 'Approved' } } as const;
  await call('CreateModelPackage', 'r1', registered, approved);
  const described = { action: 'UpdateModelVersion', target: 'g/1', detail: { metadata: { owner: 'me' } } } as const;
  await call('UpdateModelPackage', 'r2', approved, described);
  await call('CreateModel', 'r3', { ...registered, target: 'aside/1' }, { action: 'CreateModel', target: 'm', detail: { image: 'onnx' } });
  await audit.record(db, { who: 'AKIA', outcome: 'ok', ...registered, target: 'native/1' });
  await audit.record(db, { who: 'AKIA', outcome: 'ok', ...approved, target: 'native/1' });

  const lookUp = cloudtrailService({ audit }).operations.LookupEvents?.run as unknown as (input: object, call: object) => Promise<Answer>;
  const place = { account: '000000000000', region: 'us-east-1' };
  const reported = ({ EventName, Resources: [resource] }: Looked): string =>
    `${EventName} ${(resource as { ResourceName: string }).ResourceName}`;
  const found = async (AttributeKey: string, AttributeValue: string): Promise<string[]> =>
    (await lookUp({ LookupAttributes: [{ AttributeKey, AttributeValue }] }, place)).Events.map(reported);

  const { Events } = await lookUp({}, place);
  const all = [
    'UpdateModelPackage native/1',
    'CreateModelPackage native/1',
    'CreateModel m',
    'UpdateModelPackage g/1',
    'CreateModelPackage g/1',
  ];
  assert.deepEqual(Events.map(reported), all);
  const parameters = Events.slice(2).map(
    ({ CloudTrailEvent }) => (JSON.parse(CloudTrailEvent) as { requestParameters: object }).requestParameters,
  );
  assert.deepEqual(parameters, [
    { image: 'onnx', sourceName: 'm.onnx' },
    { ...approved.detail, ...described.detail },
    { ...registered.detail, ...approved.detail },
  ]);
  assert.deepEqual(await found('EventName', 'UpdateModelPackage'), ['UpdateModelPackage native/1', 'UpdateModelPackage g/1']);
  assert.deepEqual(await found('EventName', 'CreateModelPackage'), ['CreateModelPackage native/1', 'CreateModelPackage g/1']);
  assert.deepEqual(await found('ResourceName', 'g/1'), ['UpdateModelPackage g/1', 'CreateModelPackage g/1']);
  assert.deepEqual(await found('EventId', Events[3]?.EventId ?? ''), ['UpdateModelPackage g/1']);

  const pages: string[] = [];
  let NextToken: string | undefined;
  do {
    const page = await lookUp({ MaxResults: 1, ...(NextToken === undefined ? {} : { NextToken }) }, place);
    pages.push(page.Events.map(reported).join());
    NextToken = page.NextToken;
  } while (NextToken !== undefined);
  assert.deepEqual(pages, all);
  assert.equal((await audit.list({ limit: 50 })).length, 8, 'the audit itself has a record per action');
});

test('an event shows the parameters of a call, successful or rejected, and the resource type of tags', async (t) => {
  const { db, close } = await openMemoryDatabase();
  t.after(close);
  const audit = new Audit(db, new VirtualClock());
  const resourceArn = 'arn:aws:sagemaker:us-east-1:000000000000:endpoint-config/digits';
  const from = (operation: string, parameters: Record<string, unknown>) => {
    return { protocol: 'aws', remoteAddress: '', userAgent: '', requestId: operation, operation, parameters };
  };
  await withOrigin(from('DeleteEndpoint', { endpointName: 'digits' }), () =>
    audit.recordRefused({ who: 'AKIA', action: 'DeleteEndpoint', target: 'digits', outcome: 'not_found', detail: { message: 'no' } }),
  );
  await withOrigin(from('AddTags', { resourceArn, tags: [{ key: 'Team', value: 'a' }] }), () =>
    audit.record(db, { who: 'AKIA', action: 'AddTags', target: 'digits', outcome: 'ok', detail: {} }),
  );
  const lookUp = cloudtrailService({ audit }).operations.LookupEvents?.run as unknown as (input: object, call: object) => Promise<Answer>;
  const { Events } = await lookUp({}, { account: '000000000000', region: 'us-east-1' });
  const [tagged, refused] = Events.map(({ CloudTrailEvent }) => JSON.parse(CloudTrailEvent) as Record<string, unknown>);
  assert.deepEqual(tagged?.requestParameters, { resourceArn, tags: [{ key: 'Team', value: 'a' }] });
  assert.deepEqual([refused?.requestParameters, refused?.errorMessage], [{ endpointName: 'digits' }, 'no']);
  assert.deepEqual(Events[0]?.Resources, [{ ResourceType: 'AWS::SageMaker::EndpointConfig', ResourceName: 'digits' }]);
  assert.equal((await audit.verify()).broken, null);
});

interface Looked {
  readonly EventId: string;
  readonly EventName: string;
  readonly EventSource: string;
  readonly CloudTrailEvent: string;
  readonly Resources: readonly object[];
}

interface Answer {
  readonly Events: Looked[];
  readonly NextToken?: string;
}
