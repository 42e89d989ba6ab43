import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Decision } from '../monitoring/index.ts';
import type { RequestBody } from './request-bodies.ts';
import { storyOf } from './request-story.ts';

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
  explanation: 'Batches of 8 are the cheapest that keep the promise.',
  changes: true,
  effect: null,
};

for (const { when, version, share, says } of [
  {
    when: 'of the new version',
    version: '3',
    share: 20,
    says: ': 20 % of the requests went to the new version, and it hit the new version.',
  },
  { when: 'of the old version', version: '2', share: 20, says: ': 20 % of the requests went to the new version, and it hit digits/2.' },
  { when: 'before the new version served', version: '2', share: null, says: '; its workers were starting.' },
]) {
  test(`tells that an update was under way when it came, and which version it hit: a request ${when}`, () => {
    const update = { from: ['digits/2'], to: ['digits/3'], share_percent: share };
    const [, said] = storyOf({ ...request, version, update }, []);
    assert.equal(said, `An update from digits/2 to digits/3 was under way when it came${says}`);
  });
}

test('does not tell which version a request hit where both models have one of that number', () => {
  const update = { from: ['digits/3'], to: ['letters/3'], share_percent: 20 };
  const [, said] = storyOf({ ...request, update }, []);
  assert.match(said ?? '', /: 20 % of the requests went to the new version\.$/);
});

test('tells what became of it, where the time went, who rode along and what had been decided, in this order', () => {
  assert.deepEqual(storyOf(request, [decision]), [
    'Request r-1 to digits (variant AllTraffic, version 3) was answered after 12.3 ms, at 2026-11-24T12:00:00.000Z.',
    'Of that, its batch was kept for company for 8.1 ms; it waited 2 ms for somebody to be free; it ran 2.1 ms on function:2048; its answer took 0.1 ms to be encoded and sent. The largest part was the wait for company, 66 %.',
    '14 rows waited when it came. Its batch left with 8 rows (2 its own, of 5 requests), because waiting longer would have broken the promise to its most urgent request.',
    'The last batching decision for AllTraffic before it came, of 2026-11-24T11:59:30.000Z: Batches of 8 are the cheapest that keep the promise.',
  ]);
});

test('tells what ran when it came', () => {
  const before = { request: 'r-0', rows: 32, executor: 'instance:local.1', sinceMs: 12.34, restMs: 398 };
  const told = 'When it came, a batch of 32 rows (r-0) had been running on instance:local.1 for 12.3 ms, and ran for another 398 ms.';
  assert(storyOf(request, [], before).includes(told));
});

test('one that never ran says so, and why', () => {
  const refused = {
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
  assert.deepEqual(storyOf(refused, []), [
    'Request r-1 to digits (variant AllTraffic, version 3) failed after 0.2 ms, at 2026-11-24T12:00:00.000Z: overloaded, endpoint digits is overloaded.',
    'All of it: it waited 0.2 ms and never ran.',
    '900 rows waited when it came.',
  ]);
  const wrong = { ...refused, status: 'invalid_request', error: 'no such input', rows_ahead: null };
  assert.deepEqual(storyOf(wrong, []).slice(1), ['It never waited for anybody: it was refused as it stood.']);
  const large = { ...wrong, status: 'too_large', timings: { ...wrong.timings, total_ms: 5200, body_ms: 5199 } };
  assert.deepEqual(storyOf(large, []).slice(1), ['It never waited for anybody: it was refused when its body had been coming for 5199 ms.']);
});

test('one of more rows than a batch says so', () => {
  const story = storyOf({ ...request, rows: 450, parts: 15, batch_rows: 32, batch_requests: 1, close_reason: 'full' }, []);
  assert.equal(
    story[2],
    '14 rows waited when it came. Its 450 rows are more than a batch holds: they ran as 15. The first left with 32 rows, because it was full.',
  );
});

test('a cold start and an overflow are told of', () => {
  const story = storyOf(
    { ...request, rows_ahead: 0, batch_rows: 2, batch_requests: 1, cold_start: true, overflow: 'rescue', close_reason: 'rescue' },
    [],
  );
  assert.match(
    story.join('\n'),
    /^Nobody waited when it came\. Its batch left with 2 rows \(2 its own, it alone\), because no instance would/m,
  );
  assert.match(story.join('\n'), /first of a new function environment[^\n]*\nA function ran it, because at the last moment/);
});
