/** What a deployment would be and cost, as the native API tells it. */
import { z } from 'zod';

const usd = z.number().describe('US dollars.');

export const deploymentPlanInput = z.strictObject({
  model: z.string().describe('GROUP/VERSION, or GROUP for its latest approved version.'),
  objective: z.string().describe('Such as p95<=50ms.'),
  rate_per_second: z.number().describe('Requests of one row, in the mean.'),
  peak_factor: z.number().default(1).describe('The busiest minute over the average.'),
  instance_type: z.string().nullable().default('local.1').describe('null: no instances.'),
  functions: z.boolean().default(true).describe('Whether functions may be used.'),
  keep_one: z.boolean().default(false).describe('Whether one is kept warm while nobody comes.'),
  usd_per_hour_max: z.number().nullable().default(null).describe('What it may cost at most; null: no limit.'),
  curve: z.boolean().default(false).describe('Whether the price of every objective is wanted too.'),
});

export const mixtureBody = z.strictObject({
  instances: z.number(),
  instance_batch_size: z.number().nullable().describe('Rows that an instance takes at once.'),
  functions: z
    .strictObject({
      memory_mib: z.number(),
      batch_size_max: z.number().describe('Rows that leave together at most.'),
      concurrency_max: z.number().describe('Busy at once, at most.'),
    })
    .nullable(),
  p50_ms: z.number(),
  p95_ms: z.number(),
  p99_ms: z.number(),
  in_time: z.number().describe('Share of the requests within the objective.'),
  overflow_share: z.number().describe('Share of the requests that functions answer.'),
  mean_function_batch: z.number().nullable(),
  cold_start_share: z.number().describe("Share of the functions' calls that wait for a start."),
  instance_usd_per_hour: usd,
  function_usd_per_hour: usd,
  usd_per_hour: usd,
  usd_per_million: usd,
  rejected_because: z.string().nullable().describe('null where it keeps the objective within the limits.'),
});

export const deploymentPlanBody = z.strictObject({
  model: z.string(),
  objective: z.string(),
  rate_per_second: z.number(),
  peak_factor: z.number(),
  instance_type: z.string().nullable(),
  chosen: mixtureBody
    .extend({
      distribution: z
        .strictObject({ step_ms: z.number(), shares: z.array(z.number()) })
        .describe('Shares of the requests by latency, in equal steps from 0; the last step holds all that take longer.'),
    })
    .nullable()
    .describe('The cheapest that keeps the objective within the limits; null where none does.'),
  mixtures: z.array(mixtureBody).describe('What it was chosen from: functions alone, then by instances, then instances alone.'),
  reason: z.string().nullable().describe('Why nothing was chosen.'),
  nearest_ms: z
    .number()
    .nullable()
    .describe('The tightest latency that could be promised, where none was chosen and the curve was wanted.'),
  curve: z
    .array(z.strictObject({ latency_ms: z.number(), usd_per_hour: z.number().nullable() }))
    .nullable()
    .describe('The least price of each latency at this percentile; null where it cannot be kept.'),
  notes: z.array(z.string()),
  compared: z.number().describe('How many mixtures were played out.'),
  compute_ms: z.number(),
});

export type DeploymentPlanBody = z.infer<typeof deploymentPlanBody>;
export type MixtureBody = z.infer<typeof mixtureBody>;
