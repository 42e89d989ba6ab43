import assert from 'node:assert/strict';
import { test } from 'node:test';
import { outcomesOf } from '../../test/selection/index.ts';
import { selectableModels } from '../../test/selection/selectable.ts';
import { certifiedTo } from './certified-to.ts';
import { judgePlans, type PlanConditions } from './plans.ts';

const { labels } = outcomesOf('digits');
const conditions = (floor: number): PlanConditions => ({
  floor,
  confidence: 0.95,
  limitMs: 50,
  share: 0.95,
  overheadMs: 0.5,
  ratePerSecond: 645,
  usdPerInstanceHour: 0.0425,
});

test('a plan is certified for every floor up to the one that is shown, and for none above it', () => {
  const { plans } = judgePlans(labels, selectableModels('digits', 200), conditions(0.97));
  const reach = new Map(certifiedTo(plans, labels.length).map((to, i) => [plans[i]?.name, to ?? 0]));
  for (const floor of [0.9, 0.95, 0.96, 0.97, 0.975, 0.98, 0.985]) {
    for (const { name, isCertified } of judgePlans(labels, selectableModels('digits', 200), conditions(floor)).plans) {
      assert.equal((reach.get(name) ?? 0) >= floor, isCertified, `${name} for ${floor}: up to ${reach.get(name)}`);
    }
  }
});

test('without a floor nothing is tested, and nothing shown', () => {
  const { plans } = judgePlans(labels, selectableModels('digits', 200), { ...conditions(0.97), floor: null });
  assert(certifiedTo(plans, labels.length).every((to) => to === null));
});
