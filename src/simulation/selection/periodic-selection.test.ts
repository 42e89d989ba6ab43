import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assignModels } from './periodic-selection.ts';
import type { SimulatedPlan } from './selection-spec.ts';

const plan = (accuracy: number, rowsPerSecond: number): SimulatedPlan => ({
  name: `m${rowsPerSecond}`,
  first: `m${rowsPerSecond}`,
  second: null,
  threshold: 1,
  batch: 1,
  fullMs: 1,
  escalated: 0,
  accuracy,
  rowsPerSecond,
});
const plans = [plan(0.9, 1000), plan(0.95, 300), plan(0.99, 100)];

for (const { when, instances, rate, assigned } of [
  { when: 'there is hardly any load, every instance runs the best model', instances: 3, rate: 10, assigned: [2, 2, 2] },
  { when: 'one instance must be faster, the other keeps the best model', instances: 2, rate: 300, assigned: [1, 2] },
  { when: 'nothing carries the load, the most capacity is taken', instances: 2, rate: 10_000, assigned: [0, 0] },
  { when: 'there is no instance, there is nothing to assign', instances: 0, rate: 10, assigned: [] },
]) {
  test(`if ${when}`, () => assert.deepEqual(assignModels(plans, instances, rate), assigned));
}
