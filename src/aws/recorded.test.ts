import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Audit } from '../monitoring/index.ts';
import { recorded } from './recorded.ts';
import type { AwsOperation } from './service.ts';

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
