import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Decision } from '../../records/index.ts';
import type { RequestBody } from './request-bodies.ts';
import { explainRequest } from './request-explanation.ts';

const request: Omit<RequestBody, 'explanation'> = {
  id: 'r-1',
  at: '2026-11-24T12:00:00.000Z',
  endpoint: 'digits',
  variant: 'AllTraffic',
  version: '3',
  status: 'ok',
  error: null,
  executor: 'function:2048',
  overflow: null,
  rows: 2,
  parts: 1,
  rows_ahead: 14,
  batch_rows: 8,
  batch_requests: 5,
  close_reason: 'slack',
  cold_start: false,
  plan: null,
  cost_usd: 1e-7,
  timings: { total_ms: 12.3, body_ms: 0, batch_wait_ms: 8.1, executor_wait_ms: 2, compute_ms: 2.1, encode_ms: 0.1, other_ms: 0 },
  update: null,
  decisions: [],
};
const decision: Decision = {
  id: 'd-1',
  atMs: Date.UTC(2026, 10, 24, 11, 59, 30),
  kind: 'batching',
  endpoint: 'digits',
  variant: 'AllTraffic',
  trigger: 'period',
  inputs: null,
  alternatives: [],
  chosen: null,
  reason: 'cheapest',
  explanation: 'Batches of 8 are the cheapest that meet the objective.',
  changes: true,
  effect: null,
};

for (const { when, version, share, ending } of [
  { when: 'to the new version', version: '3', share: 20, ending: 'with 20 % of traffic on the new version, and was routed to digits/3.' },
  { when: 'to the old version', version: '2', share: 20, ending: 'with 20 % of traffic on the new version, and was routed to digits/2.' },
  { when: 'before the new version served', version: '2', share: null, ending: 'while the new workers were starting.' },
]) {
  test(`names the update during which a request arrived and the version it reached: a request ${when}`, () => {
    const update = { from: ['digits/2'], to: ['digits/3'], share_percent: share };
    const [, sentence] = explainRequest({ ...request, version, update }, []);
    assert.equal(sentence, `It arrived during an update from digits/2 to digits/3, ${ending}`);
  });
}

test('does not name the version a request reached if both models have a version of that number', () => {
  const update = { from: ['digits/3'], to: ['letters/3'], share_percent: 20 };
  const [, sentence] = explainRequest({ ...request, update }, []);
  assert.match(sentence ?? '', /, with 20 % of traffic on the new version\.$/);
});

test('explains the outcome, the times, the batch and the last decision, in this order', () => {
  assert.deepEqual(explainRequest(request, [decision]), [
    'Request r-1 to digits (variant AllTraffic, version 3) was answered after 12.3 ms, at 2026-11-24T12:00:00.000Z.',
    'Of that, its batch was held open for 8.1 ms for more requests; it waited 2 ms for a free executor; it ran 2.1 ms on function:2048; encoding and sending the response took 0.1 ms. Holding the batch open took the largest share: 66 %.',
    '14 rows were queued ahead of it. Its batch was dispatched with 8 rows (2 its own, 5 requests in all) because waiting longer would have missed the objective of its most urgent request.',
    'The last batching decision for AllTraffic before it arrived (2026-11-24T11:59:30.000Z): Batches of 8 are the cheapest that meet the objective.',
  ]);
});

test('names the batch that was running on arrival', () => {
  const before = { request: 'r-0', rows: 32, executor: 'instance:local.1', sinceMs: 12.34, remainingMs: 398 };
  const reported =
    'When it arrived, instance:local.1 was running a batch of 32 rows (r-0); that batch had been running for 12.3 ms and took 398 ms more.';
  assert(explainRequest(request, [], before).includes(reported));
});

test('explains why a request never ran', () => {
  const rejected = {
    ...request,
    status: 'overloaded',
    error: 'endpoint digits is overloaded.',
    executor: null,
    rows_ahead: 900,
    batch_rows: 0,
    batch_requests: null,
    close_reason: null,
    timings: { total_ms: 0.2, body_ms: 0, batch_wait_ms: 0, executor_wait_ms: 0.2, compute_ms: 0, encode_ms: 0, other_ms: 0 },
  };
  assert.deepEqual(explainRequest(rejected, []), [
    'Request r-1 to digits (variant AllTraffic, version 3) failed after 0.2 ms, at 2026-11-24T12:00:00.000Z: overloaded, endpoint digits is overloaded.',
    'All of that time: it waited 0.2 ms and never ran.',
    '900 rows were queued ahead of it.',
  ]);
  const wrong = { ...rejected, status: 'invalid_request', error: 'no such input', rows_ahead: null };
  assert.deepEqual(explainRequest(wrong, []).slice(1), ['It was rejected on arrival and never queued.']);
  const large = { ...wrong, status: 'too_large', timings: { ...wrong.timings, total_ms: 5200, body_ms: 5199 } };
  assert.deepEqual(explainRequest(large, []).slice(1), ['It was rejected 5199 ms after its body began to arrive, and never queued.']);
});

test('reports a request of more rows than a batch as split', () => {
  const sentences = explainRequest({ ...request, rows: 450, parts: 15, batch_rows: 32, batch_requests: 1, close_reason: 'full' }, []);
  assert.equal(
    sentences[2],
    '14 rows were queued ahead of it. Its 450 rows exceed the batch size and were split into 15 batches. The first was dispatched with 32 rows because it was full.',
  );
});

test('explains a cold start and an overflow', () => {
  const sentences = explainRequest(
    { ...request, rows_ahead: 0, batch_rows: 2, batch_requests: 1, cold_start: true, overflow: 'rescue', close_reason: 'rescue' },
    [],
  );
  assert.match(
    sentences.join('\n'),
    /^The queue was empty on arrival\. Its batch was dispatched with 2 rows \(2 its own, no other request\) because no instance could/m,
  );
  assert.match(sentences.join('\n'), /first in a new function environment[^\n]*\nA function ran it: no instance had become free/);
});
