/** Body of the explanation of a single request. */
import { z } from 'zod';

const decidedBody = z.strictObject({
  id: z.string(),
  kind: z.string(),
  at: z.string(),
  reason: z.string(),
  explanation: z.string(),
});

export const requestBody = z.strictObject({
  id: z.string(),
  at: z.string().describe('End of the request.'),
  endpoint: z.string(),
  variant: z.string(),
  version: z.string(),
  status: z.union([z.string(), z.number()]).describe('`ok`, `cancelled`, or an error code.'),
  error: z.string().nullable(),
  executor: z
    .string()
    .nullable()
    .describe('The executor, for example `instance:local.1` or `function:2048`; null if the request never ran.'),
  overflow: z.string().nullable().describe('Why the request overflowed to a function; null if it did not.'),
  plan: z
    .strictObject({
      name: z.string(),
      rung: z.number().describe('From 1, the cheapest plan.'),
      of: z.number().describe('Number of plans.'),
      first: z.string(),
      second: z.string().nullable(),
      threshold: z.number(),
      went_on: z.number().describe('Rows that went on to the second model.'),
      failed: z.number().describe('Rows on which the second model failed: the first one answered them.'),
      confidence_min: z.number().nullable().describe('The smallest largest score of the first model; null without scores.'),
      rows_waiting: z.number().describe('Waiting rows that could be in time when the plan was chosen; 0 if none was chosen.'),
      held_back: z
        .strictObject({ rung: z.number(), request: z.enum(['first', 'last', 'next']), late_ms: z.number() })
        .nullable()
        .describe('The more accurate plan under which a waiting request would have been late.'),
    })
    .nullable()
    .describe('The plan of a selection that answered it; null for an endpoint with one model.'),
  rows: z.number(),
  parts: z.number().describe('Number of batches the request was split into. With several, the batch fields describe the first.'),
  rows_ahead: z.number().nullable().describe('Rows in the queue when the request arrived.'),
  batch_rows: z.number().describe('Rows of the batch that contained the request; 0 if it was never dispatched.'),
  batch_requests: z.number().nullable(),
  close_reason: z.string().nullable().describe('Why that batch was dispatched.'),
  cold_start: z.boolean(),
  cost_usd: z.number().nullable(),
  timings: z.strictObject({
    total_ms: z.number(),
    body_ms: z
      .number()
      .describe(
        'Time to receive the body, only for requests rejected while or after it was read. For all others, timings begin when the body is complete.',
      ),
    batch_wait_ms: z.number().describe('The batch was held open for more requests.'),
    executor_wait_ms: z.number().describe('Wait for a free executor.'),
    compute_ms: z.number(),
    encode_ms: z.number(),
    other_ms: z.number().describe('Remaining time.'),
  }),
  update: z
    .strictObject({
      from: z.array(z.string()),
      to: z.array(z.string()),
      share_percent: z.number().nullable().describe('Share of traffic to the new version; null while its workers were starting.'),
    })
    .nullable()
    .describe('The monitored update in progress when the request arrived; null if there was none.'),
  decisions: z.array(decidedBody).describe('The decisions in force when the request arrived, one of each kind.'),
  explanation: z.array(z.string()).describe('The explanation as sentences.'),
});

export type RequestBody = z.infer<typeof requestBody>;
