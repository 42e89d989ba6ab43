/** What routes of capture, drift and labels take and answer. */
import { z } from 'zod';
import type { EndpointConfig } from '../deployment/index.ts';
import { captureDefault } from '../monitoring/index.ts';

const time = z.iso.datetime();

export const captureInput = z.strictObject({
  percent: z.number().default(captureDefault.percent).describe('Of a hundred calls, so many.'),
  inputs: z.boolean().default(true),
  outputs: z.boolean().default(true),
  to: z.string().default(captureDefault.to).describe('s3://BUCKET/PREFIX on this server.'),
  redact: z.array(z.string()).default([]).describe('Inputs, outputs, CSV columns and JSON members whose values are never kept.'),
});

export const captureBody = z.strictObject({
  percent: z.number(),
  inputs: z.boolean(),
  outputs: z.boolean(),
  to: z.string(),
  redact: z.array(z.string()),
});

export function captureBodyOf({ capture }: EndpointConfig): z.infer<typeof captureBody> | null {
  if (capture === undefined || capture === null) return null;
  const { percent, inputs, outputs, to, redact } = capture;
  return { percent, inputs, outputs, to, redact: [...redact] };
}

export const baselineBody = z.strictObject({
  source: z.string(),
  rows: z.number(),
  features: z.array(z.string()),
  made_at: time,
});

const spread = z
  .tuple([z.number(), z.number(), z.number()])
  .nullable()
  .describe('5th, 50th and 95th percentile; null where all is missing.');
const share = z.number().describe('Of the values, so many are no finite number, 0 to 1.');

export const driftBody = z.strictObject({
  endpoint: z.string(),
  baseline: baselineBody.nullable(),
  window_minutes: z.number(),
  rows_seen: z.number().describe('Rows that came within the window and were looked at.'),
  rows_sampled: z.number(),
  reason: z.string().nullable().describe('Why nothing is told of drift.'),
  drifted: z.number().describe('How many features drifted.'),
  features: z
    .array(
      z.strictObject({
        name: z.string(),
        column: z.string().nullable().describe('What the header of the file calls it that its baseline was made of.'),
        psi: z.number().describe('Population stability index; from 0.25 on a shift.'),
        ks: z.number().describe('Kolmogorov-Smirnov distance.'),
        p_value: z.number(),
        drifted: z.boolean(),
        baseline: spread,
        now: spread,
        missing: z.strictObject({ baseline: share.nullable(), now: share }),
      }),
    )
    .describe('Those that drifted first.'),
  unknown_features: z.array(z.string()).describe('They came, and the baseline has none of them.'),
  quality: z
    .strictObject({
      calls: z.number(),
      labelled_calls: z.number(),
      labelled_rows: z.number(),
      accuracy: z.number().nullable(),
      mean_absolute_error: z.number().nullable(),
    })
    .describe('By the labels that were posted, of the calls of the last 7 days.'),
});

export const labelsBody = z.strictObject({
  matched: z.number(),
  unknown: z.number().describe('No prediction is kept under these ids.'),
  misfit: z.number().describe('There are other rows, or values of another kind.'),
  unknown_ids: z.array(z.string()).describe('Some of them.'),
  misfit_ids: z.array(z.string()),
});

export type BaselineBody = z.infer<typeof baselineBody>;
export type DriftBody = z.infer<typeof driftBody>;
export type LabelsBody = z.infer<typeof labelsBody>;
