import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runAgainst } from '../../test/cli-house.ts';
import type { AsyncBody } from '../api/index.ts';
import { listText } from './verbs/async.ts';

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

test('a list of asynchronous requests has each reason whole, on one line', () => {
  const reason = `the input s3://${'b'.repeat(63)}/${'k'.repeat(600)} is not there:\n put it there, and try again`;
  const [, first, second, ...others] = listText([request('a', { state: 'failed', reason }), request('b')]).split('\n');
  assert.deepEqual(others, ['']);
  assert(first?.endsWith(reason.replace('\n ', ' ')), first);
  assert.match(second ?? '', /^b +digits +queued/);
});

test('a list that ends before all are told says so', async () => {
  for (const { next, argv, says } of [
    { next: null, argv: [], says: '' },
    { next: 'a', argv: [], says: 'the latest 1, there are more: -n shows more, --endpoint and --state choose among them\n' },
    { next: 'a', argv: ['-n', '500'], says: 'the latest 1, there are more: --endpoint and --state choose among them\n' },
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
