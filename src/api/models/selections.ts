/** The route that recommends a model, or a cascade of two, without deploying anything. */
import { z } from 'zod';
import { alternativesOf, candidatesMax, type ExplainedPlan, explainedPlans, explanationOf } from '../../evaluation/index.ts';
import { instanceTypeDefault } from '../../fields/index.ts';
import { formatObjective, parseObjective } from '../../objective.ts';
import { certifiedTo } from '../../selection/index.ts';
import { clopperPearson } from '../../statistics/index.ts';
import { mixtureBody } from '../endpoints/deployment-plan-bodies.ts';
import { mixtureBodyOf } from '../endpoints/deployment-plans.ts';
import { goalOf } from '../endpoints/endpoint-selection.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';

const share = z.number().describe('From 0 to 1.');

const selectionPlanInput = z.strictObject({
  models: z.array(z.string().max(200)).min(1).max(candidatesMax).describe('`digits/3`, or `digits` for the latest approved version.'),
  set: z.string().max(200).describe('An evaluation set that all models have answered.'),
  floor: z.number().nullable().default(null).describe('The accuracy to keep, above 0 and below 1.'),
  minimize: z.literal('cost').nullable().default(null).describe('The cheapest plan that keeps the floor; the default with a floor.'),
  maximize: z.literal('accuracy').nullable().default(null).describe('The most accurate plan within `budget_usd_per_hour`.'),
  budget_usd_per_hour: z.number().nullable().default(null),
  confidence: z
    .number()
    .nullable()
    .default(95)
    .describe('Percent: how sure it is that no certified plan is below the floor. null: measured accuracies are taken for true.'),
  objective: z.string().describe('For example p95<=50ms.'),
  rate_per_second: z.number().default(100).describe('Expected rows per second, in requests of one row.'),
  instance_type: z.string().default(instanceTypeDefault),
  every_plan: z.boolean().default(false).describe('Return all plans, up to 246, rather than the ladder and its alternatives.'),
});

const planBody = z.strictObject({
  plan: z.string().describe('A model, or `first>second@threshold`: rows with 1 minus the largest score above the threshold go on.'),
  accuracy: share,
  lower: share.describe('Exceeded with probability 95 %, for this plan alone.'),
  low: share.describe('Exact 95 % interval of the accuracy (Clopper-Pearson).'),
  high: share,
  errors: z.number(),
  escalated: share.describe('Share of rows that go on to the second model.'),
  p_value: z.number().nullable().describe('Of "the accuracy is below the floor"; null if not tested.'),
  certified: z.boolean(),
  certified_to: z.number().nullable().describe('About the largest accuracy that these rows certify for it; null without a floor.'),
  feasible: z.boolean().describe('Whether it can keep the objective.'),
  batch: z.number(),
  rows_per_second: z.number().describe('Of one instance.'),
  full_batch_ms: z.number().describe('Time of a full batch at the percentile of the objective.'),
  instances: z.number(),
  usd_per_hour: z.number(),
  rejected: z.string().nullable().describe('Why it is not on the ladder; null if it is.'),
});

export const selectionPlanBody = z.strictObject({
  state: z
    .enum(['certified', 'estimated', 'not-certified'])
    .describe('estimated: measured accuracies were taken for true; not-certified: no plan was proven to keep the floor.'),
  explanation: z.string(),
  set: z.strictObject({
    name: z.string(),
    sha256: z.string(),
    rows: z.number(),
    models: z.number().describe('Models that answered the set.'),
    choices: z.number().describe('Different questions that plans were chosen by, this one included.'),
  }),
  objective: z.string(),
  chains: z.number().describe('Sequences of tests that share the error probability.'),
  level: z.number().nullable().describe('Of each test; null without a floor.'),
  rows_needed: z.number().nullable().describe('About how many rows would certify the best model; null if it is certified, or none would.'),
  floor_plan: z.string().nullable().describe('The plan that instances are sized for.'),
  top_plan: z.string().nullable().describe('The most accurate plan on the ladder.'),
  ladder: z.array(z.string()).describe('From the cheapest to the most accurate plan.'),
  fallback: z.string().describe('What would serve if nothing is chosen: the most accurate model alone.'),
  predicted: mixtureBody
    .nullable()
    .describe('Instances, latency and cost of the floor plan, simulated; null if no mixture keeps the objective.'),
  plans: z.array(planBody).describe('The ladder and its alternatives, fastest first.'),
});

export type SelectionPlanBody = z.infer<typeof selectionPlanBody>;

export function selectionRoutes({ selection, evaluations }: Pick<ApiServices, 'selection' | 'evaluations'>): ApiRoute[] {
  return [
    apiRoute('POST /plan/selection', {
      summary: 'Choose a model, or a cascade of two, for an accuracy or a budget, with the proof',
      description:
        'Nothing is deployed. Uses what the models answered to an evaluation set, and their stored profiles; a model without profile is ' +
        'measured first. Certificates are by Learn then Test: with the requested confidence, none of the certified plans is below the floor.',
      body: selectionPlanInput,
      answer: selectionPlanBody,
      handle: async ({ body }) => {
        const objective = parseObjective(body.objective);
        const { models, set, floor, confidence, rate_per_second: ratePerSecond, instance_type: type } = body;
        const fraction = confidence === null ? null : confidence / 100;
        const request = {
          endpoint: null,
          models,
          set,
          floor,
          confidence: fraction,
          goal: goalOf(body),
          objective,
          ratePerSecond,
          instanceType: type,
        };
        const found = await selection.plan(request);
        const { chosen, predicted } = found;
        const reach = new Map(certifiedTo(found.plans, found.set.rows).map((to, i) => [found.plans[i]?.name, to]));
        const { name, sha256, rows, models: answered, choices } = await evaluations.sets.get(found.set.name);
        return {
          state: found.state,
          explanation: explanationOf(found, request),
          set: { name, sha256, rows, models: answered, choices },
          objective: formatObjective(objective),
          chains: found.chains,
          level: found.level,
          rows_needed: found.rowsNeeded,
          floor_plan: chosen?.floorPlan.name ?? null,
          top_plan: chosen?.topPlan.name ?? null,
          ladder: (chosen?.ladder ?? []).map(({ name }) => name),
          fallback: found.fallback.name,
          predicted: predicted === null ? null : mixtureBodyOf(predicted, ratePerSecond),
          plans: (body.every_plan ? explainedPlans(found.plans, found, request) : alternativesOf(found, request)).map((plan) =>
            planBodyOf(plan, rows, reach.get(plan.name) ?? null),
          ),
        };
      },
    }),
  ];
}

function planBodyOf(plan: ExplainedPlan, rows: number, to: number | null): SelectionPlanBody['plans'][number] {
  const errors = clopperPearson(plan.errors, rows, 0.05);
  return {
    low: 1 - errors.high,
    high: 1 - errors.low,
    plan: plan.name,
    accuracy: plan.accuracy,
    lower: plan.lower,
    errors: plan.errors,
    escalated: plan.escalated,
    p_value: plan.pValue,
    certified: plan.isCertified,
    certified_to: to,
    feasible: plan.isFeasible,
    batch: plan.batch,
    rows_per_second: plan.rowsPerSecond,
    full_batch_ms: plan.fullMs,
    instances: plan.instances,
    usd_per_hour: plan.usdPerHour,
    rejected: plan.rejected,
  };
}
