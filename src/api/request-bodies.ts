/** What the API tells of a single request. */
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
  at: z.string().describe('When it ended.'),
  endpoint: z.string(),
  variant: z.string(),
  version: z.string(),
  status: z.union([z.string(), z.number()]).describe('`ok`, `cancelled`, or the code of what went wrong.'),
  error: z.string().nullable(),
  executor: z.string().nullable().describe('Who ran it: `instance:local.1`, `function:2048`; null where nobody did.'),
  overflow: z.string().nullable().describe('Why a function ran it, where instances are there too.'),
  rows: z.number(),
  parts: z
    .number()
    .describe('As how many batches it ran, where it had more rows than one holds; else 1. What is told of its batch is told of the first.'),
  rows_ahead: z.number().nullable().describe('How many rows waited already when it came.'),
  batch_rows: z.number().describe('Rows of the batch it rode in; 0 where it rode in none.'),
  batch_requests: z.number().nullable(),
  close_reason: z.string().nullable().describe('Why that batch left when it did.'),
  cold_start: z.boolean(),
  cost_usd: z.number().nullable(),
  timings: z.strictObject({
    total_ms: z.number(),
    body_ms: z
      .number()
      .describe('Its body came, where it was refused while or after it did; the times of all others begin when theirs is here.'),
    batch_wait_ms: z.number().describe('Kept for company.'),
    executor_wait_ms: z.number().describe('Waited for somebody to be free.'),
    compute_ms: z.number(),
    encode_ms: z.number(),
    other_ms: z.number().describe('What is left.'),
  }),
  update: z
    .strictObject({
      from: z.array(z.string()),
      to: z.array(z.string()),
      share_percent: z.number().nullable().describe('Of the requests, what the new version got; null while its workers started.'),
    })
    .nullable()
    .describe('The watched update that was under way when it came.'),
  decisions: z.array(decidedBody).describe('The last ones before it came, one of each kind.'),
  explanation: z.array(z.string()).describe('In sentences.'),
});

export type RequestBody = z.infer<typeof requestBody>;
