import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { VariantBody } from '../api/index.ts';
import { checkScalingOptions, type ScalingOptions, scalingOf } from './scaling-options.ts';
import { readyText, scalingText } from './variant-words.ts';

const kept = { policy: 'hpa:70', instances_min: 1, instances_max: 3, usd_per_hour_max: 0.5 };
const scaled = { scaling: kept } as VariantBody;
const fixed = { scaling: null } as VariantBody;

describe('what deploy asks of scaling', () => {
  const cases: { when: string; options: ScalingOptions; before?: VariantBody; asked: object }[] = [
    { when: 'nothing is said of a new one: none', options: {}, asked: {} },
    { when: 'nothing is said of one that scales: what it had', options: {}, before: scaled, asked: { scaling: kept } },
    { when: 'a policy: the rest is for the server to say', options: { scaling: 'economic' }, asked: { scaling: { policy: 'economic' } } },
    {
      when: 'a limit of one that scales: the rest stays',
      options: { maxInstances: 8, scalingBudget: null },
      before: scaled,
      asked: { scaling: { ...kept, instances_max: 8, usd_per_hour_max: null } },
    },
    {
      when: 'floors: those, in place of the ones before',
      options: { floor: ['08:00-18:00 3'] },
      before: scaled,
      asked: { scaling: { ...kept, floors: ['08:00-18:00 3'] } },
    },
    { when: 'none: none', options: { scaling: 'none' }, before: scaled, asked: {} },
    { when: 'it becomes serverless: none', options: { serverless: true }, before: scaled, asked: {} },
  ];
  for (const { when, options, before, asked } of cases) test(when, () => assert.deepEqual(scalingOf(options, before), asked));
});

test('limits without scaling are refused, with what to add', () => {
  for (const [options, before] of [
    [{ minInstances: 0 }, undefined],
    [{ minInstances: 0 }, fixed],
    [{ minInstances: 2, scaling: 'none' }, scaled],
    [{ minInstances: 2, serverless: true }, scaled],
  ] as const) {
    assert.throws(() => checkScalingOptions(options, before), { message: /^--min-instances is for .*: add --scaling economic/ });
  }
  checkScalingOptions({ minInstances: 2, scaling: 'economic' }, undefined);
  checkScalingOptions({ maxInstances: 2 }, scaled);
});

test('a fixed number is refused where it would do nothing, with what to say in its place', () => {
  assert.throws(() => checkScalingOptions({ instances: 2 }, scaled), { message: /--min-instances 2 .*--scaling none/, exitCode: 2 });
  checkScalingOptions({ instances: 2, scaling: 'none' }, scaled);
  checkScalingOptions({ instances: 2, scaling: 'economic' }, fixed);
  checkScalingOptions({ instances: 2 }, fixed);
});

test('how many are wanted now is shown, and by what', () => {
  const now = { functions: null, setting: null, environments: null, ready: 2, instance_count: 1, instance_type: 'local.1', wanted: 3 };
  assert.equal(readyText(now), '2/3');
  assert.equal(scalingText(kept), 'hpa:70: 1 to 3 instances, for at most $0.5 per hour');
  const floors = ['mon-fri 08:00-18:00 3', '22:00-02:00 2'];
  assert.equal(
    scalingText({ ...kept, usd_per_hour_max: null, floors }),
    'hpa:70: 1 to 3 instances, at least 3 at mon-fri 08:00-18:00 UTC, at least 2 at 22:00-02:00 UTC',
  );
});

test('what follows the load is no serverless endpoint', () => {
  const message = /no instances whose number could follow the load: leave out --scaling, or .*--overflow functions/;
  for (const before of [undefined, fixed, scaled]) {
    assert.throws(() => checkScalingOptions({ scaling: 'economic', serverless: true }, before), { message });
    checkScalingOptions({ scaling: 'none', serverless: true }, before);
  }
});
