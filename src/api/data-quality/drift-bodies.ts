/** Request and response bodies of capture, drift and labels. */
import { z } from 'zod';
import type { EndpointConfig } from '../../deployment/index.ts';
import { bodyOfFields, captureFields } from '../../fields/index.ts';
import { bodyShape, inputShape } from '../routing/field-schemas.ts';

const time = z.iso.datetime();

export const captureInput = z.strictObject(inputShape(captureFields));
export const captureBody = z.strictObject(bodyShape(captureFields, undefined));

export function captureBodyOf({ capture = null }: EndpointConfig): z.infer<typeof captureBody> | null {
  return capture === null ? null : bodyOfFields(captureFields, capture);
}

export const baselineBody = z.strictObject({
  source: z.string(),
  rows: z.number(),
  features: z.array(z.string()),
  made_at: time,
});

// Not a tuple: OpenAPI tools disagree about `prefixItems`.
const spread = z.array(z.number()).length(3).nullable().describe('5th, 50th and 95th percentile; null if all values are missing.');
const share = z.number().describe('Share of the values that are not finite numbers, 0 to 1.');

export const driftBody = z.strictObject({
  endpoint: z.string(),
  baseline: baselineBody.nullable(),
  window_minutes: z.number(),
  rows_seen: z.number().describe('Rows of the window that were examined.'),
  rows_sampled: z.number(),
  reason: z.string().nullable().describe('Why there is no drift report; otherwise null.'),
  drifted: z.number().describe('Number of drifted features.'),
  features: z
    .array(
      z.strictObject({
        name: z.string(),
        column: z.string().nullable().describe('Column title in the file that the baseline was computed from.'),
        psi: z.number().describe('Population stability index; 0.25 or more is a shift.'),
        ks: z.number().describe('Kolmogorov-Smirnov distance.'),
        p_value: z.number(),
        drifted: z.boolean(),
        baseline: spread,
        now: spread,
        missing: z.strictObject({ baseline: share.nullable(), now: share }),
      }),
    )
    .describe('Drifted features first.'),
  unknown_features: z.array(z.string()).describe('Features in the traffic that the baseline does not have.'),
  quality: z
    .strictObject({
      calls: z.number(),
      labelled_calls: z.number(),
      labelled_rows: z.number(),
      accuracy: z.number().nullable(),
      mean_absolute_error: z.number().nullable(),
    })
    .describe('From the posted labels for calls of the last 7 days.'),
});

const answers = z.array(z.union([z.number(), z.string()])).describe('By row.');

export const toLabelBody = z.strictObject({
  items: z.array(
    z.strictObject({
      inference_id: z.string(),
      variant: z.string(),
      at: time,
      plan: z.string().nullable().describe('The plan of a selection that answered.'),
      answers,
      other_plan: z.string().nullable().describe('A plan that answers otherwise; null if none was run in idle time, or if both agree.'),
      other_answers: answers.nullable(),
      rows: z.array(z.number()).describe('Rows, from 0, on which they differ.'),
      score_min: z.number().nullable().describe('The largest score of the row that is least sure; null if the model returns none.'),
    }),
  ),
});
export type ToLabelBody = z.infer<typeof toLabelBody>;

export const labelsBody = z.strictObject({
  matched: z.number(),
  unknown: z.number().describe('Ids without a stored prediction.'),
  mismatched: z.number().describe('Labels that do not fit their prediction: another number of rows or another type.'),
  unknown_ids: z.array(z.string()).describe('Some of the unknown ids.'),
  mismatched_ids: z.array(z.string()),
});

export type BaselineBody = z.infer<typeof baselineBody>;
export type DriftBody = z.infer<typeof driftBody>;
export type LabelsBody = z.infer<typeof labelsBody>;
