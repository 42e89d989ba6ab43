import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FunctionProfile, ServiceTable } from '../../profiling/index.ts';
import { serviceNow } from './service-now.ts';

/** Twenty runs per batch size, with times spread evenly from `ms` to 1.2 times that. */
function profileOf(memoryMiB: number, ms: number, changes: Partial<FunctionProfile> = {}): FunctionProfile {
  const service = [1, 2, 4].map((b) => {
    const samples = Array.from({ length: 20 }, (_, i) => (ms + b) * (1 + i / 95));
    return { b, p50Ms: ms + b, p95Ms: 1.2 * (ms + b), p99Ms: 1.2 * (ms + b), samples, rssMiB: 50 + b };
  });
  const profile = { executor: `function:${memoryMiB}`, service, measuredAtMs: 1, loadMs: 20, batchMax: 4, notes: [] };
  return { memoryMiB, profile, basis: 'measured', peakMemoryMiB: 54, fits: true, coldMs: 100, ...changes };
}

test('without production data, uses profiled service times, and the conservative quantile for dispatch', () => {
  const profiles = [profileOf(512, 20), profileOf(1024, 10)];
  const [small, large] = serviceNow(profiles, null, 0.95);
  assert.deepEqual(small?.points[1]?.serviceMs, profiles[0]?.profile.service[1]?.samples);
  assert.equal(large?.points[2]?.dispatchMs, new ServiceTable(profileOf(1024, 10).profile).quantileMs(0.95, 4));
  assert.deepEqual(
    large?.points.map(({ peakMemoryMiB }) => peakMemoryMiB),
    [51, 52, 54],
  );
  const unknown = { memoryMiB: 512, table: new ServiceTable(null) };
  assert.deepEqual(serviceNow(profiles, unknown, 0.95), serviceNow(profiles, null, 0.95));
});

test('applies the drift of the current memory size to all memory sizes, per batch size', () => {
  const profiles = [profileOf(512, 20), profileOf(1024, 10)];
  const table = new ServiceTable(profiles[1]?.profile ?? null);
  for (let run = 0; run < 600; run++) table.observe(1, 22); // the profiled median is about 12
  const before = serviceNow(profiles, null, 0.95);
  const now = serviceNow(profiles, { memoryMiB: 1024, table }, 0.95);
  for (const [i, { points }] of now.entries()) {
    const factor = (points[0]?.serviceMs[3] as number) / (before[i]?.points[0]?.serviceMs[3] as number);
    assert(factor > 1.7 && factor < 2, `${factor}`);
  }
  assert.deepEqual(now[1]?.points[0]?.dispatchMs, 22);
});

test('drift counts only up to a limit', () => {
  const profiles = [profileOf(1024, 10)];
  const table = new ServiceTable(profiles[0]?.profile ?? null);
  for (let run = 0; run < 600; run++) table.observe(1, 5000);
  const [size] = serviceNow(profiles, { memoryMiB: 1024, table }, 0.95);
  assert((size?.points[0]?.serviceMs[0] as number) <= 4 * 11);
});

test('plans dispatch by the quantiles that serving uses, however far they are from the profile', () => {
  const profiles = [profileOf(1024, 10)];
  const table = new ServiceTable(profiles[0]?.profile ?? null);
  for (let run = 0; run < 100; run++) table.observe(1, run % 12 === 0 ? 150 : 11); // one slow run in twelve
  const [size] = serviceNow(profiles, { memoryMiB: 1024, table }, 0.95);
  for (const { batchSize, dispatchMs } of size?.points ?? [])
    assert.ok(Math.abs((dispatchMs ?? 0) - table.quantileMs(0.95, batchSize)) < 1e-9, `${batchSize}: ${dispatchMs}`);
});

test('a size too small for the model reports the required memory', () => {
  const none = profileOf(128, 10, { fits: false, peakMemoryMiB: 300 });
  const [size] = serviceNow([{ ...none, profile: { ...none.profile, service: [] } }], null, 0.95);
  assert.equal(size?.points[0]?.peakMemoryMiB, 300);
});
