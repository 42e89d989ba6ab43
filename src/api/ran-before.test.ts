import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RanLine, ranBefore } from './ran-before.ts';

/** One that came at 10,000 ms, waited for 400 and ran for 10. */
const line: RanLine = {
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
/** One that ran from 9,980 ms to 10,399. */
const long: RanLine = { ...line, at: 10_399, request: 'long', rows: 8, batchRows: 32, queueMs: 0, computeMs: 419, totalMs: 419 };

test('a request waited for the batch that ran when it came', () => {
  const found = { request: 'long', rows: 32, executor: 'instance:local.1', sinceMs: 20, restMs: 399 };
  assert.deepEqual(ranBefore(line, 400, [line, long]), found);
  assert.deepEqual(ranBefore(line, 400, [{ ...long, rows: 228, parts: 8 }]), { ...found, rows: 228 });
});

for (const { when, other, waitedMs = 400 } of [
  { when: 'was over by then', other: { ...long, at: 10_000 } },
  { when: 'began later', other: { ...long, computeMs: 300, queueMs: 119 } },
  { when: 'went on when it ran itself', other: { ...long, at: 10_600, totalMs: 640, computeMs: 640 } },
  { when: 'belonged to another endpoint', other: { ...long, endpoint: 'iris' } },
  { when: 'ran elsewhere', other: { ...long, executor: 'function:2048' } },
  { when: 'never ran', other: { ...long, computeMs: null } },
  { when: 'ran while it did not wait', other: long, waitedMs: 0.2 },
]) {
  test(`nothing is said of one that ${when}`, () => assert.equal(ranBefore(line, waitedMs, [other]), null));
}
