import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Audit } from '../records/index.ts';
import { audited } from './audited-operations.ts';
import type { AwsOperation } from './service.ts';

const requested = [
  { Id: 'a', Arn: 'https://a.example/' },
  { Id: 'b', Arn: 'arn:aws:sqs:us-east-1:000000000000:b' },
];
const refusedOf = (id: string) => ({ TargetId: id, ErrorCode: 'ValidationException', ErrorMessage: `no log group for ${id}` });

for (const { when, failed, outcome, expected } of [
  { when: 'all entries succeeded', failed: [], outcome: 'ok', expected: [undefined, undefined] },
  { when: 'some failed', failed: ['b'], outcome: 'ok', expected: [undefined, [refusedOf('b')]] },
  {
    when: 'all failed',
    failed: ['a', 'b'],
    outcome: 'invalid_request',
    expected: ['no log group for a', [refusedOf('a'), refusedOf('b')]],
  },
]) {
  test(`records a batch change as ${outcome}, with its failed entries and reasons, if ${when}`, async () => {
    const entries: Parameters<Audit['record']>[1][] = [];
    const audit = { record: async (...[, entry]: Parameters<Audit['record']>) => void entries.push(entry) };
    const put: AwsOperation = async () => ({ FailedEntryCount: failed.length, FailedEntries: failed.map(refusedOf) });
    const { PutTargets } = audited({ audit, db: null as never }, { PutTargets: put }, { PutTargets: 'Rule' });
    await PutTargets?.({ Rule: 'r', Targets: requested }, { caller: { keyId: 'me' } } as never);
    const detail = entries[0]?.detail as { Targets: unknown; message?: string; FailedEntries?: unknown };
    assert.deepEqual([entries[0]?.outcome, detail.Targets], [outcome, requested]);
    assert.deepEqual([detail.message, detail.FailedEntries], expected);
  });
}

test('records the parameters of a change without the values of headers and query parameters, which are secrets', async () => {
  const entries: Parameters<Audit['record']>[1][] = [];
  const put: AwsOperation = async () => ({});
  const audit = {
    record: async (...[, entry]: Parameters<Audit['record']>) => void entries.push(entry),
  };
  const { PutTargets } = audited({ audit, db: null as never }, { PutTargets: put }, { PutTargets: 'Rule' });
  const http = { HeaderParameters: { Authorization: 'Bearer s3cret' }, QueryStringParameters: { key: 's3cret' } };
  await PutTargets?.({ Rule: 'r', Targets: [{ Id: '1', Arn: 'https://a.example/', HttpParameters: http }] }, {
    caller: { keyId: 'me' },
  } as never);
  const [entry] = entries;
  assert.equal(entry?.target, 'r');
  assert.doesNotMatch(JSON.stringify(entry), /s3cret/);
  assert.deepEqual((entry?.detail as { Targets: { HttpParameters: object }[] } | undefined)?.Targets[0]?.HttpParameters, {
    HeaderParameters: { Authorization: '***' },
    QueryStringParameters: { key: '***' },
  });
});
