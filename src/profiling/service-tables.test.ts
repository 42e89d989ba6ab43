import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openLogs } from '../logs/index.ts';
import type { FunctionProfile } from './function-profiles.ts';
import { type Profile, servicePoint } from './profile.ts';
import type { MeasuredProfile } from './profiles.ts';
import { ServiceTables } from './service-tables.ts';

const version = { group: 'Digits', version: 1 };
const executor = 'instance:local.1';

function profileOf(ms: number): Profile {
  return {
    executor,
    service: [servicePoint(1, [ms], 80), servicePoint(2, [2 * ms], 80)],
    measuredAtMs: 0,
    loadMs: 1,
    batchMax: 2,
    notes: [],
  };
}

/** Tables on top of profiles that the test supplies. */
function tablesOver(
  retained: () => Promise<Profile | null>,
  sizes: () => readonly Pick<FunctionProfile, 'profile' | 'basis'>[] = () => [],
) {
  const listeners = new Set<(measured: MeasuredProfile) => void>();
  const onMeasured = (listener: (measured: MeasuredProfile) => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  const functions = { of: async () => sizes() as readonly FunctionProfile[] };
  const tables = new ServiceTables({ profiles: { get: retained, onMeasured }, functions, log: openLogs(null, 'silent').platform });
  const measure = (profile: Profile) => listeners.forEach((listener) => listener({ ...version, profile }));
  const changed = () => new Promise<string>((resolve) => tables.onChange(({ group, version: number }) => resolve(`${group}/${number}`)));
  return { tables, measure, changed };
}

describe('the service tables', () => {
  test('load a stored profile in the background and notify listeners', async () => {
    const { tables, changed } = tablesOver(async () => profileOf(10));
    const reported = changed();
    assert.equal(tables.tableOf(version, executor).isKnown, false);
    assert.equal(await reported, 'Digits/1');
    assert.equal(tables.tableOf({ ...version, group: 'DIGITS' }, executor).batchMax, 2);
  });

  test('use a profile measured while they are in use', async () => {
    const { tables, measure } = tablesOver(async () => null);
    assert.equal(tables.tableOf(version, executor).batchMax, 1);
    measure(profileOf(5));
    assert.equal(tables.tableOf(version, executor).medianMs(1), 5);
  });

  test('retain and mark serving samples when a version is measured again', async () => {
    const { tables, measure } = tablesOver(async () => null);
    for (let i = 0; i < 200; i++) tables.tableOf(version, executor).observe(1, 1000); // discarded: before the first measurement
    measure(profileOf(5));
    assert.equal(tables.tableOf(version, executor).medianMs(1), 5);
    for (let i = 1; i <= 600; i++) tables.tableOf(version, executor).observe(1, i);
    for (let i = 0; i < 10; i++) tables.tableOf(version, executor).observe(2, 99);
    measure(profileOf(7));
    const [served] = tables.served(version);
    assert.deepEqual(
      served?.service.map(({ b, p50Ms, samples, isServed }) => [b, p50Ms, samples.length, isServed]),
      [
        [1, 350, 500, true],
        [2, 14, 1, false],
      ],
    );
    assert.equal(served?.batches, 600);
    tables.tableOf(version, executor).observe(1, 601);
    assert.equal(tables.served(version)[0]?.service[0]?.samples[0], 102, 'the ring holds the latest 500 samples');
  });

  test('of functions follow measurements of other executors, and retain samples if nothing changed', async () => {
    const derived = { basis: 'derived' as const, profile: { ...profileOf(20), executor: 'function:1024' } };
    const measured = { basis: 'measured' as const, profile: { ...profileOf(30), executor: 'function:1024', measuredAtMs: 7 } };
    let size: Pick<FunctionProfile, 'profile' | 'basis'> = derived;
    const { tables, measure, changed } = tablesOver(
      async () => null,
      () => [size, { basis: 'derived', profile: { ...profileOf(1), executor: 'function:2048' } }],
    );
    const first = changed();
    assert.equal(tables.tableOf(version, 'function:1024').isKnown, false);
    await first;
    const table = tables.tableOf(version, 'function:1024');
    assert.equal(table.medianMs(1), 20);
    measure(profileOf(10)); // measures the instance
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(tables.tableOf(version, 'function:1024'), table);
    size = measured;
    const second = changed();
    measure({ ...profileOf(30), executor: 'function:1024', measuredAtMs: 7 });
    await second;
    assert.equal(tables.tableOf(version, 'function:1024').medianMs(1), 30);
  });

  test('stay unknown if a profile cannot be read', async () => {
    const { tables } = tablesOver(async () => {
      throw new Error('the disk is gone');
    });
    tables.tableOf(version, executor);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(tables.tableOf(version, executor).isKnown, false);
  });
});
