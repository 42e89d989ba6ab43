import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { VariantBody } from '../../api/index.ts';
import { readyText, scalingText } from '../output/format-variant.ts';
import { checkScalingOptions, minimumText, type ScalingOptions, scalingBodyFrom } from './scaling-options.ts';

const scaling = { policy: 'hpa:70', instances_min: 1, instances_max: 3, usd_per_hour_max: 0.5 };
const scaled = { scaling } as VariantBody;
const fixed = { scaling: null } as VariantBody;

describe('the scaling that deploy requests', () => {
  const cases: { when: string; options: ScalingOptions; before?: VariantBody; requested: object }[] = [
    { when: 'no options, new endpoint: no scaling', options: {}, requested: {} },
    { when: 'no options, existing scaling: omits it, so it stays', options: {}, before: scaled, requested: {} },
    { when: 'a policy: leaves the rest to the server', options: { scaling: 'economic' }, requested: { scaling: { policy: 'economic' } } },
    {
      when: 'a limit, existing scaling: the rest stays',
      options: { maxInstances: 8, scalingBudget: null },
      before: scaled,
      requested: { scaling: { instances_max: 8, usd_per_hour_max: null } },
    },
    {
      when: 'floors: replace the existing ones',
      options: { floor: ['08:00-18:00 3'] },
      before: scaled,
      requested: { scaling: { floors: ['08:00-18:00 3'] } },
    },
    { when: 'none: removes scaling', options: { scaling: 'none' }, before: scaled, requested: { scaling: null } },
    { when: 'becomes serverless: the server removes scaling', options: { serverless: true }, before: scaled, requested: {} },
  ];
  for (const { when, options, before, requested } of cases) test(when, () => assert.deepEqual(scalingBodyFrom(options, before), requested));
});

test('rejects limits without scaling and says what to add', () => {
  for (const [options, before] of [
    [{ minInstances: 0 }, undefined],
    [{ minInstances: 0 }, fixed],
    [{ minInstances: 2, scaling: 'none' }, scaled],
    [{ minInstances: 2, serverless: true }, scaled],
  ] as const) {
    assert.throws(() => checkScalingOptions(options, before), { message: /^--min-instances needs scaling.*: add --scaling economic/ });
  }
  checkScalingOptions({ minInstances: 2, scaling: 'economic' }, undefined);
  checkScalingOptions({ maxInstances: 2 }, scaled);
});

test('rejects a fixed number of instances on a scaled variant, with the alternatives', () => {
  assert.throws(() => checkScalingOptions({ instances: 2 }, scaled), { message: /--min-instances 2, .*--scaling none/, exitCode: 2 });
  checkScalingOptions({ instances: 2, scaling: 'none' }, scaled);
  checkScalingOptions({ instances: 2, scaling: 'economic' }, fixed);
  checkScalingOptions({ instances: 2 }, fixed);
});

test('shows the current number of instances and its policy', () => {
  const now = { functions: null, setting: null, environments: null, ready: 2, instance_count: 1, instance_type: 'local.1', wanted: 3 };
  assert.equal(readyText(now), '2/3');
  assert.equal(scalingText(scaling), 'hpa:70: 1 to 3 instances, at most $0.5 per hour');
  const floors = ['mon-fri 08:00-18:00 3', '22:00-02:00 2'];
  assert.equal(
    scalingText({ ...scaling, usd_per_hour_max: null, floors }),
    'hpa:70: 1 to 3 instances, at least 3 at mon-fri 08:00-18:00 UTC, at least 2 at 22:00-02:00 UTC',
  );
});

test('rejects scaling of a serverless endpoint', () => {
  const message = /no instances to scale: remove --scaling, or .*--overflow functions/;
  for (const before of [undefined, fixed, scaled]) {
    assert.throws(() => checkScalingOptions({ scaling: 'economic', serverless: true }, before), { message });
    checkScalingOptions({ scaling: 'none', serverless: true }, before);
  }
});

test('says that an endpoint may run no instance if no option asked for it', () => {
  const zero = { scaling: { ...scaling, instances_min: 0 } } as VariantBody;
  const said = 'it scales from 0 to 3 instances: without load none runs, and functions answer. --min-instances 1 keeps one running';
  assert.equal(minimumText({ scaling: 'economic' }, undefined, zero), said);
  assert.equal(minimumText({ scaling: 'economic' }, fixed, zero), said);
  assert.equal(minimumText({}, zero, zero), null, 'it was so before');
  assert.equal(minimumText({ minInstances: 0 }, fixed, zero), null, 'it was requested');
  assert.equal(minimumText({ scaling: 'economic' }, fixed, scaled), null);
  assert.equal(minimumText({}, fixed, fixed), null);
});
