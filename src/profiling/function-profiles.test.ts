import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { defaultPrices, functionShape, functionUsd } from '../costs/index.ts';
import { openLogs } from '../logs/index.ts';
import type { ModelVersion } from '../registry/index.ts';
import { functionCost } from './function-cost.ts';
import { type FunctionProfile, FunctionProfiles } from './function-profiles.ts';
import { functionSizes, sizesAlike } from './function-sizes.ts';
import { type Profile, servicePoint } from './profile.ts';

const version = { group: 'digits', version: 1, name: 'digits/1' } as ModelVersion;
const sizes = functionSizes(defaultPrices.functions);
const cores = 2;

function profileOf(executor: string, ms: number, more: Partial<Profile> = {}): Profile {
  const service = [servicePoint(1, [ms, 1.1 * ms, 3 * ms], 100), servicePoint(8, [4 * ms], 300)];
  return { executor, service, measuredAtMs: 5, loadMs: 30, coldMs: 40, batchMax: 8, notes: [], ...more };
}

const base = profileOf('instance:local.1', 10);

/** Function profiles backed by memory; measurements are instantaneous. */
function over(known: readonly Profile[], isHeld = true) {
  const retained = new Map(known.map((profile) => [profile.executor, profile]));
  const measured: string[] = [];
  const measure = async (_: unknown, executor: string): Promise<Profile> => {
    measured.push(executor);
    const memoryMiB = Number(executor.split(':')[1]);
    const profile = executor === base.executor ? base : profileOf(executor, 77, functionShape(memoryMiB, cores, true));
    retained.set(executor, profile);
    return profile;
  };
  const functions = new FunctionProfiles({
    profiles: { list: async () => [...retained.values()], measure },
    prices: defaultPrices,
    cores,
    isCpuHeld: () => isHeld,
    log: openLogs(null, 'silent').platform,
  });
  const of = async (memoryMiB: number): Promise<FunctionProfile> =>
    (await functions.of(version)).find((size) => size.memoryMiB === memoryMiB) as FunctionProfile;
  return { functions, measured, of };
}

describe('the profiles of functions', () => {
  test('are empty until the version is measured', async () => {
    assert.deepEqual(await over([]).functions.of(version), []);
  });

  test('are derived until measured, with each run scaled to the processor share of the size', async () => {
    const { functions, of } = over([base]);
    const all = await functions.of(version);
    assert.deepEqual(
      all.map(({ memoryMiB }) => memoryMiB),
      sizes,
    );
    assert.ok(all.every(({ basis, coldMs }) => basis === 'derived' && coldMs === 40));
    const { profile } = await of(1024);
    assert.equal(profile.executor, 'function:1024');
    const slower = 1769 / 1024;
    for (const [i, ms] of [10, 11, 30].entries()) assert.ok(Math.abs((profile.service[0]?.samples[i] as number) - ms * slower) < 1e-3);
    assert.deepEqual((await of(10_240)).profile.service, base.service);
  });

  test('contain only batches that fit into the memory, with a note about the first that does not', async () => {
    const { of } = over([base]);
    const small = await of(256);
    assert.deepEqual([small.fits, small.peakMemoryMiB, small.profile.batchMax], [true, 100, 1]);
    assert.match(small.profile.notes[0] as string, /b=8 took 300 MiB, more than the 256 MiB/);
    const large = over([{ ...base, service: [servicePoint(1, [10], 400)] }]);
    const tooSmall = await large.of(256);
    assert.deepEqual([tooSmall.fits, tooSmall.peakMemoryMiB, tooSmall.profile.service], [false, 400, []]);
    const full = await of(512);
    assert.deepEqual([full.fits, full.peakMemoryMiB, full.profile.batchMax], [true, 300, 8]);
  });

  test('are equal for all sizes if processors cannot be limited, and no further measurement runs', async () => {
    const { functions, measured, of } = over([], false);
    await functions.measure(version);
    assert.deepEqual(measured, ['instance:local.1']);
    for (const { basis, memoryMiB, profile } of await functions.of(version)) {
      assert.equal(basis, 'unlimited');
      assert.deepEqual(
        profile.service,
        base.service.filter(({ rssMiB }) => rssMiB <= memoryMiB),
      );
    }
    assert.deepEqual((await of(512)).profile.service, base.service);
  });

  test('are measured once for all equivalent sizes', async () => {
    const { functions, measured, of } = over([base]);
    await functions.measure(version);
    assert.deepEqual(
      measured,
      [4096, 1769, 1536, 1024, 512, 256, 128].map((size) => `function:${size}`),
    );
    const all = await functions.of(version);
    assert.ok(all.every(({ basis, profile }) => basis === 'measured' && profile.service[0]?.p50Ms === 1.1 * 77));
    assert.equal((await of(3072)).profile.executor, 'function:3072');
    await functions.measure(version);
    assert.equal(measured.length, 7);
  });

  test('of sizes that are too small for the model are not measured', async () => {
    const { functions, measured } = over([{ ...base, service: [servicePoint(1, [10], 1600)] }]);
    await functions.measure(version);
    assert.deepEqual(measured, ['function:4096', 'function:1769']);
  });

  test('measured with other threads or processors are ignored', async () => {
    const elsewhere = profileOf('function:1024', 77, { threads: 1, vcpuMax: null });
    assert.equal((await over([base, elsewhere]).of(1024)).basis, 'derived');
  });
});

test('sizes are equivalent if they have the same number of threads and a processor for each', () => {
  assert.deepEqual(sizesAlike(2048, sizes, 2), [1769, 2048, 3072]);
  assert.deepEqual(sizesAlike(1024, sizes, 2), [1024]);
  assert.deepEqual(sizesAlike(6144, sizes, 2)[0], 4096);
  assert.deepEqual(sizesAlike(6144, sizes, 8), [6144]);
  assert.deepEqual(functionSizes({ memoryMiB: [300] }), [300, 1024, 2048, 3072, 4096, 5120, 6144]);
});

describe('the cost of functions', () => {
  test('is the mean billed cost of the runs per row', () => {
    const profile = { ...base, service: [servicePoint(1, [0.4, 1.2], 90), servicePoint(4, [2.5], 90)] };
    const cost = functionCost(defaultPrices.functions, { memoryMiB: 2048, profile });
    const usd = (ms: number) => functionUsd(defaultPrices.functions, 2048, ms);
    assert.deepEqual(cost, { aloneUsd: ((usd(1) + usd(2)) / 2) * 1e6, bestUsd: (usd(3) / 4) * 1e6, bestBatch: 4 });
    assert.equal(functionCost(defaultPrices.functions, { memoryMiB: 128, profile: { ...base, service: [] } }), null);
  });

  test('per row is never higher in the best batch than for one row alone', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0.01, max: 5000, noNaN: true }), { minLength: 1, maxLength: 6 }), (times) => {
        const service = times.map((ms, i) => servicePoint(2 ** i, [ms], 90));
        const cost = functionCost(defaultPrices.functions, { memoryMiB: 1024, profile: { ...base, service } });
        assert.ok(cost !== null && cost.bestUsd <= cost.aloneUsd && cost.bestUsd > 0);
      }),
    );
  });
});
