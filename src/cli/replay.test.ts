import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VariantBody } from '../api/index.ts';
import { currentOf } from './replay.ts';

test('what is deployed is told from a row of the same policy by its bounds', () => {
  const scaling = { policy: 'economic', instances_min: 1, instances_max: 3, usd_per_hour_max: null };
  const variant = { scaling, functions: null, wanted: 1, setting: null } as VariantBody;
  const { label, instancesMin, instancesMax } = currentOf(variant, { functions: [] });
  assert.deepEqual([label, instancesMin, instancesMax], ['deployed: economic, 1 to 3', 1, 3]);
  assert.equal(currentOf({ ...variant, scaling: null, wanted: 2 }, { functions: [] }).label, 'deployed: static:2');
});
