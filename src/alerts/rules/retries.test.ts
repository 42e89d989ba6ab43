import assert from 'node:assert/strict';
import { test } from 'node:test';
import { retryOf } from './retries.ts';

for (const { when, attempts, ageS = 0, policy, afterMs } of [
  { when: 'it failed once', attempts: 1, afterMs: 1000 },
  { when: 'it failed for hours', attempts: 9, ageS: 36_000, afterMs: 21_600_000 },
  { when: 'it failed for sixteen hours', attempts: 10, ageS: 58_000, afterMs: null },
  { when: 'its target allows no retry', attempts: 1, policy: { retriesMax: 0, ageSMax: 86_400 }, afterMs: null },
  { when: 'its target allows more retries', attempts: 20, ageS: 60_000, policy: { retriesMax: 185, ageSMax: 86_400 }, afterMs: 21_600_000 },
  { when: 'it would be too old by then', attempts: 3, ageS: 40, policy: { retriesMax: 185, ageSMax: 60 }, afterMs: null },
]) {
  test(`${afterMs === null ? 'gives up' : `retries after ${afterMs} ms`} if ${when}`, () => {
    const nowMs = Date.UTC(2026, 10, 24);
    assert.equal(retryOf({ attempts, createdAtMs: nowMs - ageS * 1000 }, nowMs, policy), afterMs);
  });
}
