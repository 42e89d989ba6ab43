import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Role } from '../../access/index.ts';
import { VirtualClock } from '../../clock.ts';
import { Audit, Events, Rules } from '../../monitoring/index.ts';
import { Jobs, openDatabase } from '../../storage/index.ts';
import type { AwsOutput } from '../service.ts';
import { eventsService } from './events-service.ts';
import { targetAsServed } from './targets.ts';

const hook = 'https://hooks.example/a';
const pattern = '{"source": ["my.app"]}';

/** EventBridge over real rules; `stored` are documents of rules as an older server left them. */
async function house(t: TestContext, stored: readonly object[] = []) {
  const { db, dialect, close } = await openDatabase({ file: ':memory:', synchronous: 'NORMAL' });
  const clock = new VirtualClock();
  const canDeliver = (arn: string): boolean => arn.startsWith('arn:aws:logs:');
  for (const [i, document] of stored.entries())
    await db
      .insertInto('event_rules')
      .values({ name: `old${i}`, document: JSON.stringify({ name: `old${i}`, description: '', pattern, isEnabled: true, ...document }) })
      .execute();
  const told: string[] = [];
  const rules = new Rules({
    db,
    clock,
    jobs: new Jobs({ db, dialect, clock }),
    events: new Events(db, clock),
    envelopesOf: async () => [],
    ruleArn: (name) => name,
    asServed: (target) => targetAsServed(target, canDeliver),
    onSetAside: (rule, fault) => told.push(`${rule}: ${fault}`),
    onUnserved: (rule, target, fault) => told.push(`${rule}/${target}: ${fault}`),
    onFailure: (what, error) => assert.fail(`${what}: ${String(error)}`),
  });
  await rules.open();
  t.after(async () => {
    await rules.close();
    await close();
  });
  const { operations } = eventsService({ rules, clock, audit: new Audit(db, clock), db, canDeliver });
  const call = { account: '000000000000', region: 'us-east-1', caller: { keyId: 'AKIA', role: 'admin' as const } };
  const ask = async (operation: string, input: object, role: Role = 'admin'): Promise<AwsOutput> =>
    (operations[operation] as (input: object, call: object) => Promise<AwsOutput>)(input, { ...call, caller: { ...call.caller, role } });
  const put = async (...Targets: object[]): Promise<string[]> => {
    const { FailedEntries } = await ask('PutTargets', { Rule: 'mine', Targets });
    return (FailedEntries as { ErrorMessage: string }[]).map(({ ErrorMessage }) => ErrorMessage);
  };
  const shown = async (Rule = 'mine') => (await ask('ListTargetsByRule', { Rule })).Targets as AwsOutput[];
  await ask('PutRule', { Name: 'mine', EventPattern: pattern });
  return { rules, told, ask, put, shown };
}

const secrets = {
  HeaderParameters: { Authorization: 'Bearer s3cret', 'X-Total': '$.detail.total' },
  QueryStringParameters: { key: 's3cret', from: '$.source' },
};
const masked = {
  HeaderParameters: { Authorization: '***', 'X-Total': '$.detail.total' },
  QueryStringParameters: { key: '***', from: '$.source' },
};

test('that a header or a query parameter has a value is shown, which one it is not; paths into the event are', async (t) => {
  const { rules, put, shown } = await house(t);
  assert.deepEqual(await put({ Id: 't', Arn: hook, HttpParameters: secrets }), []);
  assert.deepEqual(await shown(), [{ Id: 't', Arn: hook, HttpParameters: masked }]);
  assert.equal(rules.get('mine').targets[0]?.http?.headers.Authorization, 'Bearer s3cret');
});

test('the whole URL of a target is shown to those alone who may put it', async (t) => {
  const { ask, put } = await house(t);
  const Arn = 'https://hooks.example/services/T1/s3cret?token=s3cret';
  assert.deepEqual(await put({ Id: 't', Arn, HttpParameters: secrets }), []);
  const seen = async (role: Role) => (await ask('ListTargetsByRule', { Rule: 'mine' }, role)).Targets;
  for (const role of ['admin', 'deployer'] as const) assert.deepEqual(await seen(role), [{ Id: 't', Arn, HttpParameters: masked }]);
  for (const role of ['invoker', 'viewer'] as const) {
    assert.deepEqual(await seen(role), [{ Id: 't', Arn: 'https://hooks.example/services/…', HttpParameters: masked }]);
  }
});

test('what was shown may be put back: the values stay, and may change one by one', async (t) => {
  const { rules, put } = await house(t);
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

test('a value that is not known is no secret of another target or address', async (t) => {
  const { rules, put } = await house(t);
  await put({ Id: 't', Arn: hook, HttpParameters: secrets });
  const why = /^Authorization is '\*\*\*', which is what is shown in place of a value: give the value/;
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

test('what an older server kept of a target without heeding it is heeded now', async (t) => {
  const target = { id: 't', arn: hook, input: null, inputPath: null };
  const echo = {
    InputTransformer: { InputPathsMap: { a: '$.detail' }, InputTemplate: '<a>' },
    HttpParameters: secrets,
    RetryPolicy: { MaximumRetryAttempts: 3, MaximumEventAgeInSeconds: 60 },
    RoleArn: 'arn:aws:iam::000000000000:role/r',
  };
  const { rules, told, shown } = await house(t, [{ targets: [{ ...target, echo }] }]);
  const [served] = rules.get('old0').targets;
  assert.deepEqual(served?.transformer, { paths: { a: '$.detail' }, template: '<a>' });
  assert.equal(served?.http?.headers.Authorization, 'Bearer s3cret');
  assert.deepEqual(served?.retry, { retriesMax: 3, ageSMax: 60 });
  assert.deepEqual(await shown('old0'), [{ Id: 't', Arn: hook, ...echo, HttpParameters: masked }]);
  assert.deepEqual(told, []);
});

test('what it kept that cannot be heeded is not shown as if it were, and is told of', async (t) => {
  const target = { id: 't', arn: hook, input: null, inputPath: null };
  const queue = { DeadLetterConfig: { Arn: 'arn:aws:sqs:us-east-1:000000000000:q' }, RetryPolicy: { MaximumRetryAttempts: 3 } };
  const host = { HttpParameters: { HeaderParameters: { Host: 'a' } }, RetryPolicy: { MaximumRetryAttempts: 3 } };
  const { rules, told, shown } = await house(t, [{ targets: [{ ...target, echo: queue }] }, { targets: [{ ...target, echo: host }] }]);
  assert.match(told[0] ?? '', /^old0\/t: DeadLetterConfig is not served/);
  assert.match(told[1] ?? '', /^old1\/t: The header Host is the server's own/);
  assert.deepEqual(await shown('old0'), [{ Id: 't', Arn: hook, RetryPolicy: { MaximumRetryAttempts: 3 } }]);
  assert.equal(rules.get('old0').targets[0]?.retry?.retriesMax, 3);
  // Which of them would be the fault of which is not guessed: it is delivered as it was.
  assert.deepEqual(await shown('old1'), [{ Id: 't', Arn: hook }]);
  assert.equal(rules.get('old1').targets[0]?.retry, undefined);
});

test('a rule that is set aside is not enabled in silence; others are, and on another bus there is none', async (t) => {
  const { told, ask } = await house(t, [{ pattern: '{"source": "my.app"}', isEnabled: false, targets: [] }]);
  assert.equal(told.length, 1);
  await assert.rejects(ask('EnableRule', { Name: 'old0' }), {
    code: 'InvalidEventPatternException',
    message: /^Rule old0 is set aside.*Event pattern is not valid.*source.*Put it again with another/,
  });
  assert.equal((await ask('DescribeRule', { Name: 'old0' })).State, 'DISABLED');
  await ask('DisableRule', { Name: 'mine' });
  await ask('EnableRule', { Name: 'mine' });
  assert.equal((await ask('DescribeRule', { Name: 'mine' })).State, 'ENABLED');
  await assert.rejects(ask('EnableRule', { Name: 'nobody' }), /Rule nobody does not exist/);
  await assert.rejects(ask('DisableRule', { Name: 'mine', EventBusName: 'other' }), /Event bus other does not exist/);
  await ask('PutRule', { Name: 'old0', EventPattern: pattern });
  await ask('EnableRule', { Name: 'old0' });
});

test('targets of a rule that is set aside are not put in silence: each is refused with the reason; those there may be removed', async (t) => {
  const target = { id: 't', arn: hook, input: null, inputPath: null };
  const { ask, shown } = await house(t, [{ pattern: '{"source": "my.app"}', targets: [target] }]);
  const put = () => ask('PutTargets', { Rule: 'old0', Targets: [{ Id: 'u', Arn: hook }] });
  const { FailedEntryCount, FailedEntries } = await put();
  assert.equal(FailedEntryCount, 1);
  const [{ TargetId, ErrorCode, ErrorMessage = '' } = {}] = FailedEntries as Record<string, string>[];
  assert.deepEqual([TargetId, ErrorCode], ['u', 'InvalidEventPatternException']);
  assert.match(ErrorMessage, /^Rule old0 is set aside.*Event pattern is not valid.*source.*Put it again with another/);
  assert.deepEqual(await shown('old0'), [{ Id: 't', Arn: hook }]);
  await ask('RemoveTargets', { Rule: 'old0', Ids: ['t'] });
  await ask('PutRule', { Name: 'old0', EventPattern: pattern });
  assert.equal((await put()).FailedEntryCount, 0);
  assert.deepEqual(await shown('old0'), [{ Id: 'u', Arn: hook }]);
});
