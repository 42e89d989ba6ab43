import assert from 'node:assert/strict';
import { test } from 'node:test';
import { afterFailure, failuresMax } from './retry-policy.ts';

test('never retries errors of the client', () => {
  for (const code of ['invalid_request', 'unsupported', 'too_large', 'not_found', 'deadline_exceeded'] as const) {
    assert.deepEqual(afterFailure(code, { failures: 0, troubles: 0 }), { kind: 'final' });
  }
});

test('retries failures that the request may have caused a few times, with growing delays', () => {
  const waits = [0, 1, 2, 3].map((failures) => afterFailure('model_failed', { failures, troubles: 7 }));
  assert.deepEqual(waits, [
    { kind: 'again', afterMs: 1000, counts: true },
    { kind: 'again', afterMs: 5000, counts: true },
    { kind: 'again', afterMs: 30_000, counts: true },
    { kind: 'final' },
  ]);
  assert.equal(waits.length, failuresMax);
});

test('retries missing capacity without limit, with growing delays, and does not count it', () => {
  assert.deepEqual(afterFailure('unavailable', { failures: 3, troubles: 0 }), { kind: 'again', afterMs: 1000, counts: false });
  assert.deepEqual(afterFailure('overloaded', { failures: 0, troubles: 1000 }), { kind: 'again', afterMs: 60_000, counts: false });
});
