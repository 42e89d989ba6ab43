/** What is asked of a simulation, and what it answers. */
import { z } from 'zod';

const time = z.iso.datetime();
const usd = z.number().describe('US dollars.');
const column = z.array(z.number().nullable());

/** Text of at most so many characters: some hundred thousand requests, or as many slots. */
const traceMax = 16 * 2 ** 20;

const loadInput = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('trace'),
    name: z.string().max(200).default('trace'),
    text: z.string().max(traceMax).describe('CSV: requests of a slot a line, or one request a line under t_s or t_ms.'),
    slot_s: z.number().min(1).max(86_400).default(60),
    scale: z.number().default(1).describe('So many times the requests.'),
    from: z.number().int().min(0).default(0).describe('The first slot; those before are history for the forecaster.'),
    slots: z.number().int().min(1).optional().describe('How many; the rest unless given.'),
  }),
  z.strictObject({
    kind: z.literal('made'),
    text: z.string().max(2000).describe('poisson:RATE, steps:RATE@S,... or mmpp:RATE1,RATE2,MEAN1_S,MEAN2_S'),
    slot_s: z.number().min(1).max(86_400).default(60),
    slots: z.number().int().min(1).optional().describe('How many; those of an hour unless given.'),
  }),
  z.strictObject({
    kind: z.literal('recorded'),
    endpoint: z.string().max(100),
    variant: z.string().max(100).optional().describe('May be left out where there is but one.'),
    since_s: z
      .number()
      .min(60)
      .max(90 * 86_400)
      .default(86_400)
      .describe('How far back.'),
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
  objective: z.string().max(60).optional().describe('Such as p95<=50ms; that of the endpoint, or p99.8<=500ms, unless given.'),
  profile: z
    .string()
    .max(200)
    .optional()
    .describe('GROUP/VERSION, or `reference`; what the endpoint serves, or `reference`, unless given.'),
  types: z.array(z.string().max(60)).max(20).optional().describe('Instance types, the preferred one first.'),
  memory_mib: z
    .number()
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .describe('Of functions; the cheapest that keeps the objective unless given.'),
  lead_s: z.number().min(0).max(86_400).optional().describe('How long instances take to start; as measured, or two minutes, unless given.'),
  instances_max: z.number().int().min(0).max(1000).default(1000),
  seed: z.number().int().min(0).max(4_294_967_295).default(6),
});

const resultBody = z.strictObject({
  policy: z.string(),
  is_deployed: z.boolean().describe('As the endpoint is served today.'),
  requests: z.number(),
  rows: z.number(),
  in_time: z.number().describe('Share of the requests that were answered within the objective, 0 to 1.'),
  late: z.number(),
  dropped: z.number(),
  rejected: z.number(),
  cost_usd: usd,
  instance_usd: usd,
  function_usd: usd,
  cost_usd_per_million: usd.nullable(),
  instance_hours: z.number(),
  function_share: z.number().describe('Of the rows: those that functions served.'),
  cold_starts: z.number(),
  p50_ms: z.number().nullable(),
  p95_ms: z.number().nullable(),
  p99_ms: z.number().nullable(),
  p95_of_minutes: z
    .strictObject({ median_ms: z.number().nullable(), worst_ms: z.number().nullable() })
    .describe('Over its minutes, the worst 1 % of them.'),
  decided: z.number().describe('How often the policy was asked.'),
  changes: z.number().describe('How often it changed something.'),
  series: z.strictObject({ p95_ms: column, instances: column, function_rows: column, queue_rows: column, cost_usd: column, late: column }),
});

export const simulationBody = z.strictObject({
  id: z.string(),
  state: z.enum(['waiting', 'running', 'done', 'failed', 'cancelled']),
  reason: z.string().nullable(),
  asked_at: time,
  started_at: time.nullable(),
  ended_at: time.nullable(),
  done: z.number().describe('Policies that are done.'),
  of: z.number(),
  load: z.strictObject({
    name: z.string(),
    kind: z.enum(['trace', 'made', 'recorded']),
    endpoint: z.string().nullable(),
    from: time.nullable().describe('Of recorded ones: when they came.'),
    duration_s: z.number(),
    requests: z.number().nullable().describe('null until the first policy is done.'),
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
  period_s: z.number().describe('Of the series.'),
  at_s: z.array(z.number()).describe('When each period begins, from the beginning of the load.'),
  requests: column.describe('Per second.'),
  results: z.array(resultBody).describe('Of the policies that are done, in the order in which they were asked for.'),
});

export type SimulationBody = z.infer<typeof simulationBody>;
export type SimulationResultBody = z.infer<typeof simulationResultBody>;
export type SimulationInput = z.input<typeof simulationInput>;
export type PolicyResultBody = z.infer<typeof resultBody>;
