import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deployedPolicy } from './deployed-policy.ts';

test('what is deployed is told from a row of the same policy by its bounds', () => {
  const scaling = { policy: 'economic', instancesMin: 1, instancesMax: 3 };
  const variant = { scaling, hasFunctions: false, wanted: 1, setting: null };
  const { label, instancesMin, instancesMax } = deployedPolicy(variant, { functions: [] });
  assert.deepEqual([label, instancesMin, instancesMax], ['deployed: economic, 1 to 3', 1, 3]);
  assert.equal(deployedPolicy({ ...variant, scaling: null, wanted: 2 }, { functions: [] }).label, 'deployed: static:2');
});
