import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { steppedCapacity } from './policy-rules.ts';

test('a step moves in its own direction only, and by at least one', () => {
  const kinds = fc.constantFrom('ChangeInCapacity', 'PercentChangeInCapacity', 'ExactCapacity');
  fc.assert(
    fc.property(
      kinds,
      fc.integer({ min: -300, max: 300 }),
      fc.nat(100),
      fc.integer({ min: 1, max: 9 }),
      (AdjustmentType, ScalingAdjustment, current, least) => {
        const percent = AdjustmentType === 'PercentChangeInCapacity';
        const policy = { AdjustmentType, StepAdjustments: [{ ScalingAdjustment }], ...(percent ? { MinAdjustmentMagnitude: least } : {}) };
        const capacity = steppedCapacity(policy, current, 0) as number;
        assert(Number.isInteger(capacity) && capacity >= 0);
        if (AdjustmentType === 'ExactCapacity') return;
        assert(ScalingAdjustment >= 0 ? capacity >= current : capacity <= current);
        if (ScalingAdjustment > 0) assert(capacity - current >= (percent ? least : ScalingAdjustment));
      },
    ),
  );
});

test('includes the lower bound of a step above the threshold, and the upper bound below it', () => {
  const policy = (ScalingAdjustment: number, MetricIntervalLowerBound?: number, MetricIntervalUpperBound?: number) => ({
    ScalingAdjustment,
    ...(MetricIntervalLowerBound === undefined ? {} : { MetricIntervalLowerBound }),
    ...(MetricIntervalUpperBound === undefined ? {} : { MetricIntervalUpperBound }),
  });
  const StepAdjustments = [policy(-2, undefined, -10), policy(-1, -10, 0), policy(1, 0, 10), policy(2, 10)];
  const at = (above: number) => steppedCapacity({ AdjustmentType: 'ChangeInCapacity', StepAdjustments }, 5, above);
  assert.deepEqual([-20, -10, -9, 0, 9, 10, 1e9].map(at), [3, 3, 4, 6, 6, 7, 7]);
  assert.equal(steppedCapacity({ AdjustmentType: 'ExactCapacity', StepAdjustments: [policy(7, 5)] }, 5, 1), null);
});
