import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runAgainst } from '../../../../test/cli-fixture.ts';
import type { AsyncBody } from '../../../api/index.ts';
import { listText } from './async.ts';

const at = '2026-11-26T12:00:00.000Z';
const request = (id: string, more: Partial<AsyncBody> = {}): AsyncBody => ({
  id,
  inference_id: id,
  endpoint: 'digits',
  state: 'queued',
  reason: null,
  failures: 0,
  input: null,
  output: 's3://out/1',
  failure: null,
  created_at: at,
  expires_at: at,
  finished_at: null,
  ...more,
});

test('lists each asynchronous request with its full reason on one line', () => {
  const reason = `the input s3://${'b'.repeat(63)}/${'k'.repeat(600)} was not found:\n upload it and try again`;
  const [, first, second, ...others] = listText([request('a', { state: 'failed', reason }), request('b')]).split('\n');
  assert.deepEqual(others, ['']);
  assert(first?.endsWith(reason.replace('\n ', ' ')), first);
  assert.match(second ?? '', /^b +digits +queued/);
});

test('says that a list is truncated, and how to see more', async () => {
  for (const { next, argv, says } of [
    { next: null, argv: [], says: '' },
    { next: 'a', argv: [], says: 'showing the latest 1; use -n for more, or filter with --endpoint and --state\n' },
    { next: 'a', argv: ['-n', '500'], says: 'showing the latest 1; filter with --endpoint and --state to see others\n' },
    { next: 'a', argv: ['--output', 'json'], says: '' },
  ]) {
    const page = JSON.stringify({ items: [request('a')], next });
    const { code, stderr } = await runAgainst(
      (_, response) => void response.writeHead(200, { 'content-type': 'application/json' }).end(page),
      ['async', 'list', ...argv],
    );
    assert.deepEqual([code, stderr], [0, says]);
  }
});
