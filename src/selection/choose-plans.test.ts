import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { outcomesOf, vectors } from '../../test/selection/index.ts';
import { selectableModels } from '../../test/selection/selectable.ts';
import { type ChosenPlans, choosePlans, degradingLadder, type PlansInForce } from './choose-plans.ts';
import { type JudgedPlan, judgePlans, type PlanConditions, type SelectableModel } from './plans.ts';

const digitsModels = (scale: number): SelectableModel[] => selectableModels('digits', scale);

const conditions = (floor: number, more: Partial<PlanConditions> = {}): PlanConditions => ({
  floor,
  confidence: 0.95,
  limitMs: 50,
  share: 0.95,
  overheadMs: 0.5,
  ratePerSecond: 645,
  usdPerInstanceHour: 0.0425,
  ...more,
});

const isCertified = (plan: JudgedPlan): boolean => plan.isCertified;

const { labels } = outcomesOf('digits');
const vectorName = (name: string): string => name.replace('>', '->').replace('@0.00001', '@1e-05');

for (const [key, floor] of [
  ['certifyDigits', 0.97],
  ['certifyDigits95', 0.95],
] as const) {
  describe(`plans of the digits models x 200 under a floor of ${floor}`, () => {
    const { plans } = judgePlans(labels, digitsModels(200), conditions(floor));
    const expected = vectors[key];

    test('agree with the vectors: accuracy, rank, batch, rate, cost, certificate', () => {
      assert.deepEqual(
        plans.map(({ name }) => vectorName(name)),
        expected.plans.map(({ name }) => name),
      );
      for (const [i, wanted] of expected.plans.entries()) {
        const plan = plans[i] as JudgedPlan;
        assert.deepEqual(
          [plan.errors, plan.batch, plan.isFeasible, plan.isCertified, plan.instances],
          [wanted.errors, wanted.batch, wanted.feasible, wanted.certified, wanted.instances],
          plan.name,
        );
        for (const [actual, value] of [
          [plan.rank, wanted.rank],
          [plan.lower, wanted.lower],
          [plan.escalated, wanted.escalated],
          [plan.rowsPerSecond, wanted.rate],
          [plan.fullMs, wanted.full],
          [plan.usdPerHour, wanted.usdPerHour],
        ] as const) {
          assert(Math.abs(actual - value) <= 1e-9 * Math.abs(value), `${plan.name}: expected ${value}, got ${actual}`);
        }
      }
    });

    test('the cheapest, the most accurate in a budget, and the ladder agree with the vectors', () => {
      const { choice, certifiedLadder } = expected;
      const { floorPlan, topPlan, ladder } = choosePlans(plans, { kind: 'cheapest' }, isCertified) as ChosenPlans;
      assert.equal(vectorName(floorPlan.name), choice.minimizeCost.name);
      assert.deepEqual(
        ladder.map(({ name }) => vectorName(name)),
        certifiedLadder,
      );
      assert.deepEqual(
        degradingLadder(plans, topPlan, 0.94).map(({ name }) => vectorName(name)),
        expected.ladder,
      );
      for (const { budget, chosen } of choice.maximizeAccuracy) {
        const found = choosePlans(plans, { kind: 'most-accurate', usdPerHourMax: budget }, isCertified);
        assert.equal(found === null ? undefined : vectorName(found.topPlan.name), chosen?.name);
      }
    });
  });
}

test('at their real size one instance carries any digits model, so the best one serves alone', () => {
  const { plans } = judgePlans(labels, digitsModels(1), conditions(0.97));
  const { floorPlan, topPlan, ladder } = choosePlans(plans, { kind: 'cheapest' }, isCertified) as ChosenPlans;
  assert.deepEqual([floorPlan.name, topPlan.name, ladder.length], ['digits_cnn', 'digits_cnn', 1]);
});

test('a model without scores starts no cascade', () => {
  const models = digitsModels(200).map((model) => ({ ...model, unsureness: null }));
  const { plans } = judgePlans(labels, models, conditions(0.97));
  assert(plans.every(({ second }) => second === null));
});

test('a floor that nothing keeps has no choice', () => {
  const { plans } = judgePlans(labels, digitsModels(200), conditions(0.9999));
  assert.equal(choosePlans(plans, { kind: 'cheapest' }, isCertified), null);
});

test('models that do not fit into one worker form no cascade and no ladder', () => {
  const models = digitsModels(200).map((model) => ({ ...model, workerKey: model.name }));
  const { plans } = judgePlans(labels, models, conditions(0.95));
  assert(plans.every(({ second }) => second === null));
  const { floorPlan, topPlan } = choosePlans(plans, { kind: 'cheapest' }, isCertified) as ChosenPlans;
  assert.deepEqual([floorPlan.name, topPlan.name], ['digits_mlp', 'digits_mlp']);
});

test('models that exceed the memory of one worker together form no cascade and no ladder', () => {
  const { plans } = judgePlans(labels, digitsModels(200), conditions(0.97));
  const together = choosePlans(plans, { kind: 'cheapest' }, isCertified);
  const apart = choosePlans(plans, { kind: 'cheapest' }, isCertified, (models) => models.size === 1);
  assert.match(together?.floorPlan.name ?? '', />/);
  assert.deepEqual(
    [apart?.floorPlan.name, apart?.topPlan.name, apart?.ladder.map(({ name }) => name)],
    ['digits_cnn', 'digits_cnn', ['digits_cnn']],
  );
  const top = apart?.topPlan as JudgedPlan;
  assert.deepEqual(
    degradingLadder(plans, top, 0.9, (models) => models.size === 1).map(({ name }) => name),
    ['digits_cnn'],
  );
  const pairs = degradingLadder(plans, top, 0.9, (models) => models.size <= 2);
  assert(new Set(pairs.flatMap(({ first, second }) => [first, second ?? first])).size === 2, 'the ends of the ladder, if all do not fit');
});

describe('plans that serve stay unless others are worth the change', () => {
  const plansAt = (ratePerSecond: number) => judgePlans(labels, digitsModels(200), conditions(0.97, { ratePerSecond })).plans;
  const namesOf = ({ ladder }: ChosenPlans): string[] => ladder.map(({ name }) => name);
  const inForceOf = (chosen: ChosenPlans): PlansInForce => ({ floorPlan: chosen.floorPlan.name, rungs: namesOf(chosen) });
  const choose = (ratePerSecond: number, inForce?: PlansInForce): ChosenPlans =>
    choosePlans(plansAt(ratePerSecond), { kind: 'cheapest' }, isCertified, undefined, inForce) as ChosenPlans;

  test('a cascade is introduced when the load needs it, and stays when the load falls again', () => {
    const calm = choose(100);
    assert.deepEqual(namesOf(calm), ['digits_cnn']);
    const busy = choose(2000, inForceOf(calm));
    assert.equal(busy.floorPlan.name, 'digits_mlp>digits_cnn@0.03');
    assert.deepEqual(namesOf(choose(100, inForceOf(busy))), namesOf(busy));
  });

  test('a saving below 3 % is not worth it, one above is', () => {
    const [cheap, other] = plansAt(2000).filter(({ name }) => ['digits_mlp>digits_cnn@0.03', 'digits_cnn'].includes(name)) as [
      JudgedPlan,
      JudgedPlan,
    ];
    const floorAt = (usdPerHour: number): string | undefined => {
      const plans = [
        { ...cheap, usdPerHour },
        { ...other, usdPerHour: 1 },
      ];
      return choosePlans(plans, { kind: 'cheapest' }, isCertified, undefined, { floorPlan: other.name, rungs: [other.name] })?.floorPlan
        .name;
    };
    assert.equal(floorAt(0.98), other.name);
    assert.equal(floorAt(0.96), cheap.name);
  });

  test('a plan that is not certified any more does not', () => {
    const chosen = choosePlans(plansAt(2000), { kind: 'cheapest' }, isCertified, undefined, {
      floorPlan: 'digits_logreg',
      rungs: ['digits_logreg'],
    });
    assert.equal(chosen?.floorPlan.name, 'digits_mlp>digits_cnn@0.03');
  });

  test('within a budget, a more accurate plan replaces one only if it leaves 3 % of it, and one beyond it goes at once', () => {
    const [first] = plansAt(2000) as [JudgedPlan];
    const plan = (name: string, rank: number, usdPerHour: number): JudgedPlan => ({ ...first, name, rank, usdPerHour, second: null });
    const inForce = { floorPlan: 'worse', rungs: ['worse'] };
    const topOf = (worse: number, better: number): string | undefined => {
      const plans = [plan('worse', 0.9, worse), plan('better', 0.95, better)];
      return choosePlans(plans, { kind: 'most-accurate', usdPerHourMax: 1 }, () => true, undefined, inForce)?.topPlan.name;
    };
    assert.deepEqual([topOf(0.5, 0.99), topOf(0.5, 0.96), topOf(1.1, 0.99)], ['worse', 'better', 'better']);
  });
});
