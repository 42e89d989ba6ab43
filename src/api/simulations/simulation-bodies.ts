/** Request and response bodies of simulations. */
import { z } from 'zod';

const time = z.iso.datetime();
const usd = z.number().describe('US dollars.');
const column = z.array(z.number().nullable());

/**
 * In characters: enough for several hundred thousand requests or slots.
 * Line breaks take two characters in JSON, and a body is limited to 4 MiB.
 */
const traceMax = 3 * 2 ** 20;

const loadInput = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('trace'),
    name: z.string().max(200).default('trace'),
    text: z
      .string()
      .max(traceMax)
      .describe('CSV with the number of requests of one slot per line, or with one request per line in a column t_s or t_ms.'),
    slot_s: z.number().min(1).max(86_400).default(60),
    scale: z.number().default(1).describe('Factor that multiplies the number of requests.'),
    from: z.number().int().min(0).default(0).describe('The first simulated slot; earlier slots are history for the forecaster.'),
    slots: z.number().int().min(1).optional().describe('Number of slots. Default: all remaining.'),
  }),
  z.strictObject({
    kind: z.literal('made'),
    text: z.string().max(2000).describe('poisson:RATE, steps:RATE@S,... or mmpp:RATE1,RATE2,MEAN1_S,MEAN2_S'),
    slot_s: z.number().min(1).max(86_400).default(60),
    slots: z.number().int().min(1).optional().describe('Number of slots. Default: one hour.'),
  }),
  z.strictObject({
    kind: z.literal('recorded'),
    endpoint: z.string().max(100),
    variant: z.string().max(100).optional().describe('Optional if the endpoint has only one variant.'),
    since_s: z
      .number()
      .min(60)
      .max(90 * 86_400)
      .default(86_400)
      .describe('Length of the recorded span before now, in seconds.'),
    scale: z.number().default(1),
  }),
]);

export const simulationInput = z.strictObject({
  load: loadInput,
  policies: z
    .array(z.string().max(300))
    .min(1)
    .max(8)
    .describe('As `penstock simulate --policy` takes them: `economic`, `hpa:70`, `static:2`.'),
  objective: z.string().max(60).optional().describe('For example p95<=50ms. Default: that of the endpoint, otherwise p99.8<=500ms.'),
  profile: z
    .string()
    .max(200)
    .optional()
    .describe('GROUP/VERSION or `reference`. Default: the version served by the endpoint, otherwise `reference`.'),
  types: z.array(z.string().max(60)).max(20).optional().describe('Instance types in order of preference.'),
  memory_mib: z
    .number()
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .describe('Memory size of functions. Default: the cheapest that meets the objective.'),
  lead_s: z.number().min(0).max(86_400).optional().describe('Start time of instances. Default: as measured, otherwise two minutes.'),
  instances_max: z.number().int().min(0).max(1000).default(1000),
  seed: z.number().int().min(0).max(4_294_967_295).default(6),
});

const resultBody = z.strictObject({
  policy: z.string(),
  is_deployed: z.boolean().describe('True for the current configuration of the endpoint.'),
  requests: z.number(),
  rows: z.number(),
  in_time: z.number().describe('Share of the requests that met the objective, 0 to 1.'),
  late: z.number(),
  dropped: z.number(),
  rejected: z.number(),
  cost_usd: usd,
  instance_usd: usd,
  function_usd: usd,
  cost_usd_per_million: usd.nullable(),
  instance_hours: z.number(),
  function_share: z.number().describe('Share of the rows served by functions.'),
  cold_starts: z.number(),
  p50_ms: z.number().nullable(),
  p95_ms: z.number().nullable(),
  p99_ms: z.number().nullable(),
  p95_of_minutes: z
    .strictObject({ median_ms: z.number().nullable(), worst_ms: z.number().nullable() })
    .describe('The p95 of each minute: median, and the bound of the worst 1 %.'),
  decided: z.number().describe('Number of evaluations of the policy.'),
  changes: z.number().describe('Number of evaluations that changed something.'),
  series: z.strictObject({ p95_ms: column, instances: column, function_rows: column, queue_rows: column, cost_usd: column, late: column }),
});

export const simulationBody = z.strictObject({
  id: z.string(),
  state: z.enum(['waiting', 'running', 'done', 'failed', 'cancelled']),
  reason: z.string().nullable(),
  asked_at: time,
  started_at: time.nullable(),
  ended_at: time.nullable(),
  done: z.number().describe('Finished policies.'),
  of: z.number(),
  load: z.strictObject({
    name: z.string(),
    kind: z.enum(['trace', 'made', 'recorded']),
    endpoint: z.string().nullable(),
    from: time.nullable().describe('Start of a recorded load; otherwise null.'),
    duration_s: z.number(),
    requests: z.number().nullable().describe('null until the first policy has finished.'),
  }),
  objective: z.string(),
  profile: z.string(),
  assumed: z.strictObject({
    types: z.array(z.strictObject({ name: z.string(), usd_per_hour: usd, lead_s: z.number().nullable() })),
    memory_mib: z.number(),
    usd_per_gb_second: z.number(),
    prices_as_of: z.string(),
    seed: z.number(),
  }),
  notes: z.array(z.string()),
});

export const simulationResultBody = simulationBody.extend({
  period_s: z.number().describe('Period of the series.'),
  at_s: z.array(z.number()).describe('Start of each period, relative to the start of the load.'),
  requests: column.describe('Requests per second.'),
  results: z.array(resultBody).describe('Results of the finished policies, in the requested order.'),
});

export type SimulationBody = z.infer<typeof simulationBody>;
export type SimulationResultBody = z.infer<typeof simulationResultBody>;
export type SimulationInput = z.input<typeof simulationInput>;
export type PolicyResultBody = z.infer<typeof resultBody>;
