import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openMemoryDatabase } from '../../../test/empty-database.ts';
import type { Role } from '../../access/index.ts';
import { Rules, webhookUrl } from '../../alerts/index.ts';
import { VirtualClock } from '../../clock.ts';
import { Events } from '../../records/index.ts';
import { Jobs } from '../../storage/index.ts';
import type { AwsOutput } from '../service.ts';
import { eventsService } from './events-service.ts';
import { deliverableTarget } from './targets.ts';

const hook = 'https://hooks.example/a';
const pattern = '{"source": ["my.app"]}';

/** EventBridge over real rules. `stored` are rule documents written by an older server. */
async function fixture(t: TestContext, stored: readonly object[] = []) {
  const { db, dialect, close } = await openMemoryDatabase();
  const clock = new VirtualClock();
  const canDeliver = (arn: string): boolean => arn.startsWith('arn:aws:logs:');
  for (const [i, document] of stored.entries())
    await db
      .insertInto('event_rules')
      .values({ name: `old${i}`, document: JSON.stringify({ name: `old${i}`, description: '', pattern, isEnabled: true, ...document }) })
      .execute();
  const faults: string[] = [];
  const rules = new Rules({
    db,
    clock,
    jobs: new Jobs({ db, dialect, clock }),
    events: new Events(db, clock),
    envelopesOf: async () => [],
    ruleArn: (name) => name,
    asServed: (target) => deliverableTarget(target, canDeliver),
    onRejectedEvent: (rule, fault) => faults.push(`${rule}: ${fault}`),
    onUnserved: (rule, target, fault) => faults.push(`${rule}/${target}: ${fault}`),
    onFailure: (what, error) => assert.fail(`${what}: ${String(error)}`),
  });
  await rules.open();
  t.after(async () => {
    await rules.close();
    await close();
  });
  const { operations } = eventsService({ rules, clock, canDeliver, checkUrl: webhookUrl });
  const call = { account: '000000000000', region: 'us-east-1', caller: { keyId: 'AKIA', role: 'admin' as const } };
  const ask = async (operation: string, input: object, role: Role = 'admin'): Promise<AwsOutput> =>
    (operations[operation] as unknown as { run(input: object, call: object): Promise<AwsOutput> }).run(input, {
      ...call,
      caller: { ...call.caller, role },
    });
  const put = async (...Targets: object[]): Promise<string[]> => {
    const { FailedEntries } = await ask('PutTargets', { Rule: 'mine', Targets });
    return (FailedEntries as { ErrorMessage: string }[]).map(({ ErrorMessage }) => ErrorMessage);
  };
  const shown = async (Rule = 'mine') => (await ask('ListTargetsByRule', { Rule })).Targets as AwsOutput[];
  await ask('PutRule', { Name: 'mine', EventPattern: pattern });
  return { rules, faults, ask, put, shown };
}

const secrets = {
  HeaderParameters: { Authorization: 'Bearer s3cret', 'X-Total': '$.detail.total' },
  QueryStringParameters: { key: 's3cret', from: '$.source' },
};
const masked = {
  HeaderParameters: { Authorization: '***', 'X-Total': '$.detail.total' },
  QueryStringParameters: { key: '***', from: '$.source' },
};

test('shows which headers and query parameters exist but not their values, except for paths into the event', async (t) => {
  const { rules, put, shown } = await fixture(t);
  assert.deepEqual(await put({ Id: 't', Arn: hook, HttpParameters: secrets }), []);
  assert.deepEqual(await shown(), [{ Id: 't', Arn: hook, HttpParameters: masked }]);
  assert.equal(rules.get('mine').targets[0]?.http?.headers.Authorization, 'Bearer s3cret');
});

test('shows the whole URL of a target only to callers who may change it', async (t) => {
  const { ask, put } = await fixture(t);
  const Arn = 'https://hooks.example/services/T1/s3cret?token=s3cret';
  assert.deepEqual(await put({ Id: 't', Arn, HttpParameters: secrets }), []);
  const seen = async (role: Role) => (await ask('ListTargetsByRule', { Rule: 'mine' }, role)).Targets;
  for (const role of ['admin', 'deployer'] as const) assert.deepEqual(await seen(role), [{ Id: 't', Arn, HttpParameters: masked }]);
  for (const role of ['invoker', 'viewer'] as const) {
    assert.deepEqual(await seen(role), [{ Id: 't', Arn: 'https://hooks.example/services/…', HttpParameters: masked }]);
  }
});

test('accepts its own redacted output: values stay, and can be changed individually', async (t) => {
  const { rules, put } = await fixture(t);
  await put({ Id: 't', Arn: hook, HttpParameters: secrets });
  const changed = { ...masked, QueryStringParameters: { key: 'another', from: '$.id' } };
  assert.deepEqual(await put({ Id: 't', Arn: hook, HttpParameters: changed, RetryPolicy: { MaximumRetryAttempts: 2 } }), []);
  const [target] = rules.get('mine').targets;
  assert.deepEqual(target?.http, {
    headers: { Authorization: 'Bearer s3cret', 'X-Total': '$.detail.total' },
    query: { key: 'another', from: '$.id' },
  });
  assert.equal(target?.retry?.retriesMax, 2);
  assert.deepEqual(await put({ Id: 't', Arn: hook, HttpParameters: masked }), []);
  assert.equal(rules.get('mine').targets[0]?.http?.query.key, 'another');
});

test('never copies a redacted value to another target or address', async (t) => {
  const { rules, put } = await fixture(t);
  await put({ Id: 't', Arn: hook, HttpParameters: secrets });
  const why = /^Authorization is the redacted value '\*\*\*'.*Send the real value/;
  for (const target of [
    { Id: 'other', Arn: hook },
    { Id: 't', Arn: 'https://elsewhere.example/a' },
    { Id: 't', Arn: `${hook}/b` },
  ])
    assert.match((await put({ ...target, HttpParameters: masked }))[0] ?? '', why);
  assert.deepEqual(
    rules.get('mine').targets.map(({ id, arn }) => [id, arn]),
    [['t', hook]],
  );
});

test('applies members that an older server stored but ignored', async (t) => {
  const target = { id: 't', arn: hook, input: null, inputPath: null };
  const echo = {
    InputTransformer: { InputPathsMap: { a: '$.detail' }, InputTemplate: '<a>' },
    HttpParameters: secrets,
    RetryPolicy: { MaximumRetryAttempts: 3, MaximumEventAgeInSeconds: 60 },
    RoleArn: 'arn:aws:iam::000000000000:role/r',
  };
  const { rules, faults, shown } = await fixture(t, [{ targets: [{ ...target, echo }] }]);
  const [served] = rules.get('old0').targets;
  assert.deepEqual(served?.transformer, { paths: { a: '$.detail' }, template: '<a>' });
  assert.equal(served?.http?.headers.Authorization, 'Bearer s3cret');
  assert.deepEqual(served?.retry, { retriesMax: 3, ageSMax: 60 });
  assert.deepEqual(await shown('old0'), [{ Id: 't', Arn: hook, ...echo, HttpParameters: masked }]);
  assert.deepEqual(faults, []);
});

test('hides and reports stored members that cannot be applied', async (t) => {
  const target = { id: 't', arn: hook, input: null, inputPath: null };
  const queue = { DeadLetterConfig: { Arn: 'arn:aws:sqs:us-east-1:000000000000:q' }, RetryPolicy: { MaximumRetryAttempts: 3 } };
  const host = { HttpParameters: { HeaderParameters: { Host: 'a' } }, RetryPolicy: { MaximumRetryAttempts: 3 } };
  const { rules, faults, shown } = await fixture(t, [{ targets: [{ ...target, echo: queue }] }, { targets: [{ ...target, echo: host }] }]);
  assert.match(faults[0] ?? '', /^old0\/t: DeadLetterConfig is not supported/);
  assert.match(faults[1] ?? '', /^old1\/t: The header Host is set by the server/);
  assert.deepEqual(await shown('old0'), [{ Id: 't', Arn: hook, RetryPolicy: { MaximumRetryAttempts: 3 } }]);
  assert.equal(rules.get('old0').targets[0]?.retry?.retriesMax, 3);
  // The faulty member cannot be determined, so the delivery stays unchanged.
  assert.deepEqual(await shown('old1'), [{ Id: 't', Arn: hook }]);
  assert.equal(rules.get('old1').targets[0]?.retry, undefined);
});

test('rejects enabling a rule with an invalid stored pattern; other rules can be enabled, and other buses do not exist', async (t) => {
  const { faults, ask } = await fixture(t, [{ pattern: '{"source": "my.app"}', isEnabled: false, targets: [] }]);
  assert.equal(faults.length, 1);
  await assert.rejects(ask('EnableRule', { Name: 'old0' }), {
    code: 'InvalidEventPatternException',
    message: /^Rule old0 matches nothing.*Event pattern is not valid.*source.*Put the rule again with a valid pattern/,
  });
  assert.equal((await ask('DescribeRule', { Name: 'old0' })).State, 'DISABLED');
  await ask('DisableRule', { Name: 'mine' });
  await ask('EnableRule', { Name: 'mine' });
  assert.equal((await ask('DescribeRule', { Name: 'mine' })).State, 'ENABLED');
  await assert.rejects(ask('EnableRule', { Name: 'absent' }), /Rule absent does not exist/);
  await assert.rejects(ask('DisableRule', { Name: 'mine', EventBusName: 'other' }), /Event bus other does not exist/);
  await ask('PutRule', { Name: 'old0', EventPattern: pattern });
  await ask('EnableRule', { Name: 'old0' });
});

test('rejects each new target of a rule with an invalid stored pattern; existing targets can be removed', async (t) => {
  const target = { id: 't', arn: hook, input: null, inputPath: null };
  const { ask, shown } = await fixture(t, [{ pattern: '{"source": "my.app"}', targets: [target] }]);
  const put = () => ask('PutTargets', { Rule: 'old0', Targets: [{ Id: 'u', Arn: hook }] });
  const { FailedEntryCount, FailedEntries } = await put();
  assert.equal(FailedEntryCount, 1);
  const [{ TargetId, ErrorCode, ErrorMessage = '' } = {}] = FailedEntries as Record<string, string>[];
  assert.deepEqual([TargetId, ErrorCode], ['u', 'InvalidEventPatternException']);
  assert.match(ErrorMessage, /^Rule old0 matches nothing.*Event pattern is not valid.*source.*Put the rule again with a valid pattern/);
  assert.deepEqual(await shown('old0'), [{ Id: 't', Arn: hook }]);
  await ask('RemoveTargets', { Rule: 'old0', Ids: ['t'] });
  await ask('PutRule', { Name: 'old0', EventPattern: pattern });
  assert.equal((await put()).FailedEntryCount, 0);
  assert.deepEqual(await shown('old0'), [{ Id: 'u', Arn: hook }]);
});

test('text within text is bounded before it is parsed', async (t) => {
  const { ask } = await fixture(t);
  const lists = `{"a":[${'[],'.repeat(90_000)}[]]}`;
  await assert.rejects(ask('TestEventPattern', { EventPattern: pattern, Event: lists }, 'viewer'), { message: /over the limit/ });
  const long = `{"a":"${'a'.repeat(300_000)}"}`;
  await assert.rejects(ask('TestEventPattern', { EventPattern: pattern, Event: long }, 'viewer'), { message: /over the limit/ });
  const entry = { Source: 'my.app', DetailType: 'done', Detail: '{}' };
  await assert.rejects(ask('PutEvents', { Entries: [entry, { ...entry, Detail: lists }] }), { message: /Total size of the entries/ });
  assert.deepEqual((await ask('PutEvents', { Entries: [entry, entry] })).FailedEntryCount, 0);
});

test('an event of a client is never taken for one of the platform, and its time is a time', async (t) => {
  const { ask } = await fixture(t);
  const entry = { DetailType: 'endpoint.drifted', Detail: '{}', Resources: ['digits'] };
  for (const Source of ['aws.sagemaker', 'AWS.sagemaker', 'penstock', 'Penstock', 'penstock.endpoints']) {
    const { Entries } = await ask('PutEvents', { Entries: [{ ...entry, Source }] }, 'invoker');
    assert.equal((Entries as AwsOutput[])[0]?.ErrorCode, 'NotAuthorizedForSourceException', Source);
  }
  for (const Time of [1e300, -1e300, Number.NaN]) {
    const { Entries } = await ask('PutEvents', { Entries: [{ ...entry, Source: 'shop', Time }] }, 'invoker');
    assert.equal((Entries as AwsOutput[])[0]?.ErrorCode, 'InvalidArgument', String(Time));
  }
  assert.equal((await ask('PutEvents', { Entries: [{ ...entry, Source: 'penstocks', Time: 1e12 }] }, 'invoker')).FailedEntryCount, 0);
});
