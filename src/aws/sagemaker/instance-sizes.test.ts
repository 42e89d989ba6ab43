import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { defaultPrices } from '../../costs/index.ts';
import { nearestInstanceType } from './instance-sizes.ts';

describe('an instance type of AWS', () => {
  for (const [given, nearest] of [
    ['ml.m5.large', 'ml.m5.large'],
    ['local.2', 'local.2'],
    ['ml.m7i.xlarge', 'ml.m5.xlarge'],
    ['ml.c6gn.4xlarge', 'ml.c5.2xlarge'],
    ['ml.t3.medium', 'ml.t2.medium'],
    ['ml.c6i.large', 'ml.c5.large'],
    ['ml.r5.large', 'ml.m5.large'],
    ['ml.p4d.24xlarge', 'ml.g4dn.xlarge'],
    ['ml.inf2.xlarge', 'ml.g4dn.xlarge'],
    ['ml.c5.metal', 'ml.c5.2xlarge'],
    ['ml.u-6tb1.metal', 'ml.c5.2xlarge'],
  ] as const) {
    test(`${given} is run as ${nearest}`, () => assert.equal(nearestInstanceType(given, defaultPrices), nearest));
  }

  test('of nothing like it is refused', () => {
    for (const name of ['', 'm5.huge', 'ml.m5', 'ml..large', 'constructor', `ml.${'a'.repeat(5000)}`]) {
      assert.throws(() => nearestInstanceType(name, defaultPrices), /is not understood/);
    }
  });

  test('of any size finds one that is configured', () => {
    const sizes = fc.tuple(fc.constantFrom('c5', 'm6i', 'g5', 'x2', 'trn1'), fc.integer({ min: 1, max: 48 }));
    fc.assert(
      fc.property(sizes, fc.subarray(Object.entries(defaultPrices.instances), { minLength: 1 }), ([family, times], some) => {
        const instances = Object.fromEntries(some);
        assert(Object.hasOwn(instances, nearestInstanceType(`ml.${family}.${times}xlarge`, { instances })));
      }),
    );
  });
});
