import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AsyncBody } from '../api/index.ts';
import { listText } from './verbs/async.ts';

test('a list of asynchronous requests has each reason whole, on one line', () => {
  const reason = `the input s3://${'b'.repeat(63)}/${'k'.repeat(600)} is not there:\n put it there, and try again`;
  const at = '2026-11-26T12:00:00.000Z';
  const request = (id: string, more: Partial<AsyncBody>): AsyncBody => ({
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
  const [, first, second, ...others] = listText([request('a', { state: 'failed', reason }), request('b', {})]).split('\n');
  assert.deepEqual(others, ['']);
  assert(first?.endsWith(reason.replace('\n ', ' ')), first);
  assert.match(second ?? '', /^b +digits +queued/);
});
