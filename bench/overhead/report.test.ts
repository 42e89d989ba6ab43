import assert from 'node:assert/strict';
import { test } from 'node:test';
import { medians, table } from './report.ts';

const machine = { cpu: 'Example CPU', cores: 2, memoryGiB: 8, kernel: '6.1', node: 'v24.0.0' };

test('the median of a figure ignores runs without it', () => {
  assert.deepEqual(medians([{ a: 1, b: 10 }, { a: 3 }, { a: 2 }]), { a: 2, b: 10 });
});

test('the table lists measured figures with unit and target, and omits missing ones', () => {
  const runs = [{ jsonC64PerSecond: 23_456, jsonC64P50Us: 2500, jsonC64P99Us: 8123, fastapi1C64PerSecond: 4000 }];
  const text = table({ at: '2026-01-02T00:00:00Z', commit: 'abc', machine, runs });
  assert.match(text, /^2026-01-02, commit abc: medians of 1 runs on 2 cores \(Example CPU, 8 GiB/);
  assert.match(text, /\| JSON, concurrency 64, own generator \| 23,456\/s, p50 2\.5 ms, p99 8\.1 ms \| >= 20,000\/s, p99 <= 10 ms \|/);
  assert.match(text, /4,000\/s, Penstock 5\.9 x/);
  assert.doesNotMatch(text, /wrk|bare/);
});
