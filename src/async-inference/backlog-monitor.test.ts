import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ageMsMax } from './backlog-monitor.ts';

test('a short latency objective does not lower the age limit of queued requests', () => {
  assert.deepEqual([null, 50, 60_000, 120_000].map(ageMsMax), [60_000, 60_000, 60_000, 120_000]);
});
