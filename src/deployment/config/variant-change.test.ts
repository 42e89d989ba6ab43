import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { VariantConfig } from './endpoint-config.ts';
import { functionsDefault } from './functions-config.ts';
import { mergeVariants, newVariant, type VariantChange } from './variant-change.ts';

const name = 'AllTraffic';
const model = { group: 'digits', version: 1 };
const fixed = { kind: 'fixed', batchSizeMax: 8, waitMsMax: 20 } as const;
const floors = [{ days: [1, 2], fromMinute: 480, untilMinute: 1080, instances: 2 }];

/** Every member is set, also those that only AWS's API can set. */
const everything: VariantConfig = {
  name,
  ...model,
  weight: 3,
  instanceCount: 2,
  instanceType: 'ml.c5.2xlarge',
  instanceTypeAsked: 'ml.r5.2xlarge',
  functions: { ...functionsDefault, memoryMiB: 2048, batching: fixed, usdPerHourMax: 2 },
  scaling: { policy: 'hpa:70', instancesMin: 2, instancesMax: 6, usdPerHourMax: 1, directions: 'out', floors },
  startTimeoutMs: 5000,
  unpackTimeoutMs: 1_800_000,
};
const { functions, scaling, ...instances } = everything;
const plain: VariantConfig = { name, ...model, weight: 1, instanceCount: 1, instanceType: 'local.1' };
const serverless: VariantConfig = { ...plain, instanceCount: 0, functions: { ...functionsDefault, batching: fixed } };

const merged = (before: VariantConfig, change: Omit<VariantChange, 'name'>) => mergeVariants([before], [{ name, ...change }])[0];

describe('a change of some members of a variant', () => {
  const cases: { when: string; before: VariantConfig; change: Omit<VariantChange, 'name'>; after: VariantConfig }[] = [
    {
      when: 'another version: all other members stay',
      before: everything,
      change: { model: { group: 'digits', version: 2 } },
      after: { ...everything, version: 2 },
    },
    {
      when: 'one member of the functions: the others stay',
      before: everything,
      change: { functions: { provisioned: 1 } },
      after: { ...everything, functions: { ...functions, provisioned: 1 } as never },
    },
    {
      when: 'other rows of fixed batching: its wait stays',
      before: everything,
      change: { functions: { batching: { batchSizeMax: 4 } } },
      after: { ...everything, functions: { ...functions, batching: { ...fixed, batchSizeMax: 4 } } as never },
    },
    {
      when: 'another batching: rows and wait are removed',
      before: serverless,
      change: { functions: { batching: { kind: 'slack' } } },
      after: { ...serverless, functions: functionsDefault },
    },
    {
      when: 'one bound of the scaling: policy, budget and schedule stay',
      before: everything,
      change: { scaling: { instancesMax: 8 } },
      after: { ...everything, scaling: { ...scaling, instancesMax: 8 } as never },
    },
    { when: 'no functions any more', before: everything, change: { functions: null }, after: { ...instances, scaling: scaling as never } },
    {
      when: 'no scaling any more: the number of instances stays',
      before: everything,
      change: { scaling: null },
      after: { ...instances, functions: functions as never },
    },
    {
      when: 'another instance type: the originally requested type is removed',
      before: { ...instances },
      change: { instanceType: 'local.1' },
      after: { ...withoutRequestedType(instances), instanceType: 'local.1' },
    },
    {
      when: 'no instances any more: type, scaling and functions budget are removed',
      before: everything,
      change: { instanceCount: 0 },
      after: {
        name,
        ...model,
        weight: 3,
        instanceCount: 0,
        instanceType: 'local.1',
        functions: { ...functionsDefault, memoryMiB: 2048, batching: fixed },
        startTimeoutMs: 5000,
        unpackTimeoutMs: 1_800_000,
      },
    },
    {
      when: 'a serverless variant without its functions: it gets one instance',
      before: serverless,
      change: { functions: null },
      after: plain,
    },
    {
      when: 'instances get scaling and functions: the minimum is one instance',
      before: plain,
      change: { scaling: {}, functions: {} },
      after: {
        ...plain,
        functions: functionsDefault,
        scaling: { policy: 'economic', instancesMin: 1, instancesMax: 4, usdPerHourMax: null },
      },
    },
    { when: 'an empty list of floors: none', before: everything, change: { scaling: { floors: [] } }, after: withoutFloors(everything) },
  ];
  for (const { when, before, change, after } of cases) test(when, () => assert.deepEqual(merged(before, change), after));

  test('matches variant names case-insensitively, and removes variants that are not listed', () => {
    const two = [everything, { ...plain, name: 'canary' }];
    assert.deepEqual(mergeVariants(two, [{ name: 'CANARY', weight: 2 }]), [{ ...plain, name: 'canary', weight: 2 }]);
  });

  test('a new variant requires a model; rows require fixed batching', () => {
    assert.throws(() => mergeVariants([plain], [{ name: 'other' }]), { code: 'invalid_request', message: /other does not exist yet/ });
    assert.throws(() => merged(plain, { functions: { batching: { batchSizeMax: 4 } } }), {
      message: /batch_size_max is only for fixed batching/,
    });
  });

  test('a new variant has every default', () => {
    assert.deepEqual(newVariant({ name, model }), plain);
    assert.deepEqual(newVariant({ name, model, functions: {} }), { ...plain, instanceCount: 0, functions: functionsDefault });
    const scaled = newVariant({ name, model, functions: {}, scaling: {} });
    assert.deepEqual([scaled.instanceCount, scaled.scaling?.instancesMin], [1, 0]);
  });

  test('changes only the members that it sets', () => {
    const change = fc.record(
      {
        weight: fc.integer({ min: 0, max: 9 }),
        instanceCount: fc.integer({ min: 1, max: 9 }),
        instanceType: fc.constantFrom('local.1', 'ml.m5.large'),
        startTimeoutMs: fc.integer({ min: 1000, max: 9000 }),
        functions: fc.record({ provisioned: fc.nat(3), keepAliveMs: fc.nat(9) }, { requiredKeys: [] }),
        scaling: fc.record({ instancesMax: fc.integer({ min: 6, max: 9 }), policy: fc.constant('economic') }, { requiredKeys: [] }),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(change, (provided) => {
        const after = flat(merged(everything, provided) as VariantConfig);
        const mentioned = Object.keys(flat(provided));
        const typeChanges = provided.instanceType !== undefined;
        for (const [member, value] of Object.entries(flat(everything))) {
          if (mentioned.includes(member) || (typeChanges && member === 'instanceTypeAsked')) continue;
          assert.deepEqual(after[member], value, member);
        }
        for (const [member, value] of Object.entries(flat(provided))) assert.deepEqual(after[member], value, member);
      }),
    );
  });
});

function withoutRequestedType({ instanceTypeAsked: _requested, ...others }: VariantConfig): VariantConfig {
  return others;
}

function withoutFloors(variant: VariantConfig): VariantConfig {
  const { floors: _floors, ...others } = variant.scaling as NonNullable<VariantConfig['scaling']>;
  return { ...variant, scaling: others };
}

/** `scaling.policy` and the like, one level deep. */
function flat(variant: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(variant).flatMap(([member, value]: [string, unknown]) =>
      member === 'functions' || member === 'scaling'
        ? Object.entries(value as object).map(([inner, each]: [string, unknown]) => [`${member}.${inner}`, each] as const)
        : [[member, value] as const],
    ),
  );
}
