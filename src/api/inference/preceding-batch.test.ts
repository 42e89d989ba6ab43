import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LoggedRun, precedingBatch } from './preceding-batch.ts';

/** Arrived at 10,000 ms, waited 400 ms and ran for 10 ms. */
const line: LoggedRun = {
  at: 10_410,
  request: 'late',
  endpoint: 'digits',
  variant: 'AllTraffic',
  rows: 1,
  batchRows: 1,
  executor: 'instance:local.1',
  queueMs: 400,
  computeMs: 10,
  totalMs: 410,
};
/** Ran from 9,980 ms to 10,399 ms. */
const long: LoggedRun = { ...line, at: 10_399, request: 'long', rows: 8, batchRows: 32, queueMs: 0, computeMs: 419, totalMs: 419 };

test('finds the batch that was running when the request arrived', () => {
  const found = { request: 'long', rows: 32, executor: 'instance:local.1', sinceMs: 20, remainingMs: 399 };
  assert.deepEqual(precedingBatch(line, 400, [line, long]), found);
  assert.deepEqual(precedingBatch(line, 400, [{ ...long, rows: 228, parts: 8 }]), { ...found, rows: 228 });
});

for (const { when, other, waitedMs = 400 } of [
  { when: 'had finished before', other: { ...long, at: 10_000 } },
  { when: 'started later', other: { ...long, computeMs: 300, queueMs: 119 } },
  { when: 'was still running when the request ran', other: { ...long, at: 10_600, totalMs: 640, computeMs: 640 } },
  { when: 'belonged to another endpoint', other: { ...long, endpoint: 'iris' } },
  { when: 'ran on another executor', other: { ...long, executor: 'function:2048' } },
  { when: 'never ran', other: { ...long, computeMs: null } },
  { when: 'was running although the request did not wait', other: long, waitedMs: 0.2 },
]) {
  test(`ignores a batch that ${when}`, () => assert.equal(precedingBatch(line, waitedMs, [other]), null));
}
