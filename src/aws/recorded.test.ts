import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Audit } from '../monitoring/index.ts';
import { recorded } from './recorded.ts';
import type { AwsOperation } from './service.ts';

const asked = [
  { Id: 'a', Arn: 'https://a.example/' },
  { Id: 'b', Arn: 'arn:aws:sqs:us-east-1:000000000000:b' },
];
const refusedOf = (id: string) => ({ TargetId: id, ErrorCode: 'ValidationException', ErrorMessage: `no place for ${id}` });

for (const { when, failed, outcome, told } of [
  { when: 'all entries were taken', failed: [], outcome: 'ok', told: [undefined, undefined] },
  { when: 'some were refused', failed: ['b'], outcome: 'ok', told: [undefined, [refusedOf('b')]] },
  { when: 'all were refused', failed: ['a', 'b'], outcome: 'invalid_request', told: ['no place for a', [refusedOf('a'), refusedOf('b')]] },
]) {
  test(`a change of several entries is ${outcome} in the audit where ${when}, with those that failed and why`, async () => {
    const wishes: Parameters<Audit['record']>[1][] = [];
    const audit = { record: async (...[, wish]: Parameters<Audit['record']>) => void wishes.push(wish) };
    const put: AwsOperation = async () => ({ FailedEntryCount: failed.length, FailedEntries: failed.map(refusedOf) });
    const { PutTargets } = recorded({ audit, db: null as never }, { PutTargets: put }, { PutTargets: 'Rule' });
    await PutTargets?.({ Rule: 'r', Targets: asked }, { caller: { keyId: 'me' } } as never);
    const detail = wishes[0]?.detail as { Targets: unknown; message?: string; FailedEntries?: unknown };
    assert.deepEqual([wishes[0]?.outcome, detail.Targets], [outcome, asked]);
    assert.deepEqual([detail.message, detail.FailedEntries], told);
  });
}

test('what a change was asked for is in the audit, but no value of a header or a query parameter: they are keys of somebody', async () => {
  const wishes: Parameters<Audit['record']>[1][] = [];
  const put: AwsOperation = async () => ({});
  const audit = {
    record: async (...[, wish]: Parameters<Audit['record']>) => void wishes.push(wish),
  };
  const { PutTargets } = recorded({ audit, db: null as never }, { PutTargets: put }, { PutTargets: 'Rule' });
  const http = { HeaderParameters: { Authorization: 'Bearer s3cret' }, QueryStringParameters: { key: 's3cret' } };
  await PutTargets?.({ Rule: 'r', Targets: [{ Id: '1', Arn: 'https://a.example/', HttpParameters: http }] }, {
    caller: { keyId: 'me' },
  } as never);
  const [wish] = wishes;
  assert.equal(wish?.target, 'r');
  assert.doesNotMatch(JSON.stringify(wish), /s3cret/);
  assert.deepEqual((wish?.detail as { Targets: { HttpParameters: object }[] } | undefined)?.Targets[0]?.HttpParameters, {
    HeaderParameters: { Authorization: '***' },
    QueryStringParameters: { key: '***' },
  });
});
