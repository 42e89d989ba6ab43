/** Response body of a selection that an endpoint serves. */
import { z } from 'zod';

const share = z.number().describe('From 0 to 1.');
const time = z.iso.datetime();
const labelled = {
  rows: z.number().describe('Rows with labels, answered since the plans were chosen; as of the last ten seconds.'),
  accuracy: share,
  low: share.describe('A 95 % interval that is valid whenever it is read.'),
  high: share,
};

export const selectionBody = z.strictObject({
  state: z
    .enum(['certified', 'estimated', 'not-certified', 'held'])
    .describe(
      'estimated: measured accuracies are taken for true, or plans below the floor are allowed; not-certified: no plan was proven; ' +
        'held: the rows are no longer those of the evaluation.',
    ),
  held: z
    .strictObject({
      cause: z
        .enum(['escalation', 'agreement', 'accuracy'])
        .describe('Cause of the drift: rows that go on, rows on which the most accurate plan disagrees, or labels.'),
      reason: z.string(),
      at: time,
    })
    .nullable()
    .describe('Plans below the floor are withdrawn, and nothing cheaper is chosen, until a new evaluation or a release. Null if not held.'),
  explanation: z.string(),
  contract: z.string().describe('The version whose inputs and outputs clients see.'),
  candidates: z.array(z.string()),
  reference: z.string(),
  evaluation: z.string().describe('The evaluation set.'),
  evaluation_rows: z.number(),
  evaluation_sha256: z.string(),
  floor: z.number().nullable(),
  maximize: z.literal('accuracy').nullable(),
  budget_usd_per_hour: z.number().nullable(),
  confidence: z.number().nullable().describe('Percent.'),
  degrade_to: z.number().nullable(),
  rate: z.number().describe('Rows per second, by which plans were priced.'),
  shadow_percent: z.number().describe('Share of the requests whose answer is compared with that of another plan in idle time.'),
  shadows: z
    .strictObject({
      calls: z.number(),
      rows: z.number(),
      dropped: z.number().describe('Requests that found no idle time within a minute, or whose run failed.'),
      seconds: z.number().describe('Idle time that was used. It is not billed.'),
    })
    .describe('Requests that were run again under another plan while an instance was idle, since the variant is served.'),
  challenger: z
    .strictObject({
      model: z.string(),
      incumbent: z.string().nullable().describe('The version that it would replace; null: it is compared with what clients got.'),
      since: time,
      rows: z.number().describe('Rows that it answered in idle time, since the variant is served.'),
      disagreed: z.number().describe('Of these, rows that the incumbent answers otherwise.'),
      failed: z.number().describe('Runs that failed.'),
      labelled: z.number().describe('Rows of both with labels of a key that may deploy.'),
      better: z.number().describe('Of these, rows on which only the challenger is right.'),
      worse: z.number().describe('Rows on which only the incumbent is right.'),
      evidence_promote: z.number().describe('An e-value: from 20 on, with at least 10 such rows, it is evaluated and becomes a candidate.'),
      evidence_demote: z.number().describe('An e-value: from 20 on, it is unloaded and not tried again.'),
    })
    .nullable()
    .describe('A new version of a followed group that answers no client: labels decide what becomes of it. Null if none is tried.'),
  chains: z.number().describe('Sequences of tests that share the error probability: all for this endpoint on such rows.'),
  level: z.number().nullable().describe('The smallest of a sequence; null without a floor.'),
  certified_at: z
    .number()
    .nullable()
    .describe(
      'Percent: how sure all certificates of the endpoint are together. Less than `confidence` if candidates were added; null without certificates.',
    ),
  left_out: z
    .array(z.strictObject({ model: z.string(), reason: z.string() }))
    .describe('Candidates that cannot answer in place of the reference.'),
  decided_at: time,
  unloaded: z
    .array(z.strictObject({ model: z.string(), worker_count: z.number(), reason: z.string() }))
    .describe('Models that workers could not load: plans that need them are left out there until they load.'),
  loaded: z.array(z.string()).describe('Models that each worker loads.'),
  floor_plan: z.string().describe('The plan that instances are sized for; functions run no other.'),
  top_plan: z.string().describe('The most accurate plan.'),
  credit_rows: z
    .number()
    .nullable()
    .describe('What answers were above the floor, in rows: plans below it may use it up. Null unless `degrade_to` is set.'),
  labelled: z
    .strictObject({
      ...labelled,
      evidence_floor: z
        .number()
        .nullable()
        .describe('An e-value against the floor: from 100 on, the selection is held. Null without a floor.'),
    })
    .nullable()
    .describe('The accuracy by labels; null without labels.'),
  ladder: z
    .array(
      z.strictObject({
        plan: z.string().describe('A model, or `first>second@threshold`: rows with 1 minus the largest score above the threshold go on.'),
        accuracy: share,
        lower: share.describe('Exceeded with probability 95 %, for this plan alone.'),
        certified: z.boolean(),
        escalated: share.describe('Share of the rows of the evaluation that go on to the second model.'),
        batches: z.number(),
        rows: z.number(),
        share: share.nullable().describe('Of all rows; null while there are none.'),
        escalated_now: share.nullable().describe('Share of the served rows that went on; null while there are none.'),
        escalations_failed: z.number().describe('Rows on which the second model failed: the first one answered them.'),
        disagreement: share
          .nullable()
          .describe('Share of the rows that do not go on and on which the most accurate plan disagrees, in the evaluation.'),
        compared: z.number().describe('Served rows that were compared so.'),
        disagreement_now: share.nullable().describe('Share of these on which the most accurate plan disagrees. An alarm, not an accuracy.'),
        labelled: z.strictObject(labelled).nullable().describe('By labels, including rows that it ran in idle time; null without labels.'),
      }),
    )
    .describe(
      'From the cheapest to the most accurate plan. Each batch takes the most accurate one under which every waiting request is in time.',
    ),
  models: z
    .array(z.strictObject({ model: z.string(), rows: z.number(), usd: z.number().describe('Of the time of executors that answered.') }))
    .describe('Rows by the model that answered them, since the variant is served.'),
});
