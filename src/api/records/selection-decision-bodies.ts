/** Bodies of decisions of selections: the plans that were known and chosen, why, and what they brought. */
import { z } from 'zod';
import { selectionReasons } from '../../evaluation/index.ts';

const share = z.number().describe('From 0 to 1.');
const usd = z.number().describe('US dollars.');

const inputsBody = z.strictObject({
  candidates: z.array(z.string()),
  reference: z.string().describe('The candidate whose inputs and outputs clients see.'),
  left_out: z.array(z.strictObject({ model: z.string(), reason: z.string() })),
  evaluation: z.strictObject({ name: z.string(), sha256: z.string(), rows: z.number() }).describe('The evaluation set.'),
  floor: z.number().nullable(),
  budget_usd_per_hour: z.number().nullable(),
  confidence: z.number().nullable().describe('Percent; null: measured accuracies were taken for true.'),
  degrade_to: z.number().nullable(),
  objective: z.string(),
  rate: z.number().describe('Rows per second, by which plans were priced.'),
  instance_type: z.string(),
  chains: z.number().describe('Sequences of tests that share the error probability: all for this endpoint on such rows.'),
  level: z.number().nullable().describe('The smallest of a sequence; null without a floor.'),
  error_total: z
    .number()
    .nullable()
    .describe('The sum of all levels: how likely any certificate is wrong at most; null without certificates.'),
  profiles: z.array(z.strictObject({ model: z.string(), measured_at: z.iso.datetime() })),
  prices_as_of: z.string().nullable().describe('The date of the price table; null in old decisions.'),
  usd_per_instance_hour: usd.nullable(),
  before: z
    .strictObject({ floor_plan: z.string(), ladder: z.array(z.string()) })
    .nullable()
    .describe('What was served; null: no selection.'),
});

const alternativeBody = z.strictObject({
  plan: z.string(),
  accuracy: share,
  lower: share.describe('Exceeded with probability 95 %, for this plan alone.'),
  errors: z.number(),
  escalated: share.describe('Share of rows that go on to the second model.'),
  p_value: z.number().nullable().describe('Of "the accuracy is below the floor"; null if not tested.'),
  certified: z.boolean(),
  rows_per_second: z.number(),
  instances: z.number(),
  usd_per_hour: usd,
  rejected: z.string().nullable().describe('Why it is not on the ladder; null if it is.'),
});

const chosenBody = z.strictObject({
  state: z.enum(['certified', 'estimated', 'not-certified', 'held']),
  floor_plan: z.string(),
  top_plan: z.string(),
  ladder: z.array(z.string()),
  loaded: z.array(z.string()),
  predicted: z.strictObject({
    accuracy_min: share.describe('Of the floor plan.'),
    accuracy_max: share.describe('Of the top plan.'),
    p95_ms: z.number().nullable(),
    usd_per_hour: usd,
    usd_per_million: usd.describe('Per million rows.'),
  }),
});

const effectBody = z.strictObject({
  window_s: z.number(),
  requests: z.number(),
  rows: z.number(),
  p95_ms: z.number(),
  in_time: share.nullable().describe('Share of requests within the objective.'),
  usd_per_million: usd.describe('Of all that was spent on the variant, per million rows.'),
  shares: z.array(z.strictObject({ plan: z.string(), share })).describe('Share of the rows by plan.'),
  accuracy_estimated: share.nullable().describe("Mean of the plans' accuracies on the evaluation set, by their rows; null if unknown."),
  labelled: z
    .strictObject({ rows: z.number(), accuracy: share, low: share, high: share })
    .nullable()
    .describe('Accuracy by labels, with an interval of 95 % that holds whenever it is read; null without labels.'),
});

/** What a decision of a selection has beside the members of every decision. */
export const selectionDecisionShape = {
  kind: z.literal('selection'),
  trigger: z
    .string()
    .describe(
      'deploy, asked (a review), version (candidates changed), rate, profile, prices or period (conditions changed), escalation, agreement or accuracy (held), labels or release (a hold ends), or load.',
    ),
  reason: z.enum(selectionReasons),
  inputs: inputsBody,
  alternatives: z.array(alternativeBody).describe('The ladder, the best plan of each model and pair, and the Pareto front: at most 30.'),
  chosen: chosenBody,
  effect: effectBody.nullable().describe('Measured every ten minutes for a day; null until known.'),
  effect_unknown: z.string().nullable().describe('Why the effect will never be known; otherwise null.'),
};

type Shape = typeof selectionDecisionShape;
export type SelectionParts = { readonly [Member in Exclude<keyof Shape, 'trigger'>]: z.infer<Shape[Member]> };
