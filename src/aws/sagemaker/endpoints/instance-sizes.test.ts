import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { defaultPrices } from '../../../costs/index.ts';
import { nearestInstanceType } from './instance-sizes.ts';

/** The families of `ProductionVariantInstanceType` in AWS's model of SageMaker. */
const listedFamilies =
  'c4 c5 c5d c6g c6gd c6gn c6i c6in c7g c7i c8g dl1 g4dn g5 g6 g6e g7e inf1 inf2 m4 m5 m5d m6g m6gd m6i m7i m8g p2 p3 p4d p4de p5 p5e p5en ' +
  'p6-b200 p6-b300 p6e-gb200 r5 r5d r6g r6gd r6i r7gd r7i r8g t2 trn1 trn1n trn2';

describe('an instance type of AWS', () => {
  for (const [input, nearest] of [
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
    ['ml.g5.xlarge', 'ml.g4dn.xlarge'],
    ['ml.p6e-gb200.36xlarge', 'ml.g4dn.xlarge'],
  ] as const) {
    test(`${input} maps to ${nearest}`, () => assert.equal(nearestInstanceType(input, defaultPrices), nearest));
  }

  test('is rejected if its name is invalid', () => {
    for (const name of ['', 'm5.huge', 'ml.m5', 'ml..large', 'constructor', `ml.${'a'.repeat(5000)}`]) {
      assert.throws(() => nearestInstanceType(name, defaultPrices), /is invalid/);
    }
  });

  test('of an unknown family is rejected with a list of the configured types', () => {
    for (const name of ['ml.zz.large', 'ml.u-6tb1.metal', 'ml.m.large', 'ml.mango5.xlarge']) {
      assert.throws(() => nearestInstanceType(name, defaultPrices), /has an unknown family: expected one of local\.1, .*ml\.m5\.large/);
    }
    assert.equal(
      nearestInstanceType('ml.zz.large', { instances: { 'ml.zz.large': { vcpu: 1, memoryMiB: 1, usdPerHour: 1 } } }),
      'ml.zz.large',
    );
  });

  test('of any family that AWS lists for endpoints is known', () => {
    for (const family of listedFamilies.split(' ')) assert(nearestInstanceType(`ml.${family}.xlarge`, defaultPrices), family);
  });

  test('of any size maps to a configured one', () => {
    const sizes = fc.tuple(fc.constantFrom('c5', 'm6i', 'g5', 'r8g', 'trn1'), fc.integer({ min: 1, max: 48 }));
    fc.assert(
      fc.property(sizes, fc.subarray(Object.entries(defaultPrices.instances), { minLength: 1 }), ([family, times], some) => {
        const instances = Object.fromEntries(some);
        assert(Object.hasOwn(instances, nearestInstanceType(`ml.${family}.${times}xlarge`, { instances })));
      }),
    );
  });
});
