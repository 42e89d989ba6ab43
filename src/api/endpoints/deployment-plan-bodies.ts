/** Bodies of deployment plans: instances, functions and their cost. */

import { z } from 'zod';
import { instanceTypeDefault } from '../../fields/index.ts';

const usd = z.number().describe('US dollars.');

export const deploymentPlanInput = z.strictObject({
  model: z.string().describe('GROUP/VERSION, or GROUP for the latest approved version.'),
  objective: z.string().describe('For example p95<=50ms.'),
  rate_per_second: z.number().describe('Mean rate of requests with one row.'),
  peak_factor: z.number().default(1).describe('Rate of the busiest minute divided by the mean rate.'),
  instance_type: z.string().nullable().default(instanceTypeDefault).describe('null: no instances.'),
  functions: z.boolean().default(true).describe('Whether functions are allowed.'),
  keep_one: z.boolean().default(false).describe('Whether one function stays warm without traffic.'),
  usd_per_hour_max: z.number().nullable().default(null).describe('Cost limit; null: none.'),
  curve: z.boolean().default(false).describe('Whether to compute the cost of other latency objectives too.'),
});

export const mixtureBody = z.strictObject({
  instances: z.number(),
  instance_batch_size: z.number().nullable().describe('Batch size of an instance, in rows.'),
  functions: z
    .strictObject({
      memory_mib: z.number(),
      batch_size_max: z.number().describe('Maximum batch size, in rows.'),
      concurrency_max: z.number().describe('Maximum number of concurrently busy functions.'),
    })
    .nullable(),
  p50_ms: z.number(),
  p95_ms: z.number(),
  p99_ms: z.number(),
  in_time: z.number().describe('Share of the requests that meet the objective.'),
  overflow_share: z.number().describe('Share of the requests answered by functions.'),
  mean_function_batch: z.number().nullable(),
  cold_start_share: z.number().describe('Share of the invocations that wait for a cold start.'),
  instance_usd_per_hour: usd,
  function_usd_per_hour: usd,
  usd_per_hour: usd,
  usd_per_million: usd,
  rejected_because: z.string().nullable().describe('null if the mixture meets the objective within the limits.'),
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
        .describe('Shares of the requests by latency, in equal steps from 0; the last step includes all slower requests.'),
    })
    .nullable()
    .describe('The cheapest mixture that meets the objective within the limits; null if none does.'),
  mixtures: z.array(mixtureBody).describe('The candidates: functions alone, then mixtures by number of instances, then instances alone.'),
  reason: z.string().nullable().describe('Why nothing was chosen.'),
  nearest_ms: z.number().nullable().describe('The lowest latency that can be met, if no mixture was chosen and `curve` was requested.'),
  curve: z
    .array(z.strictObject({ latency_ms: z.number(), usd_per_hour: z.number().nullable() }))
    .nullable()
    .describe('Lowest cost per latency at this percentile; null if the latency cannot be met.'),
  notes: z.array(z.string()),
  compared: z.number().describe('Number of simulated mixtures.'),
  compute_ms: z.number(),
});

export type DeploymentPlanBody = z.infer<typeof deploymentPlanBody>;
export type MixtureBody = z.infer<typeof mixtureBody>;
