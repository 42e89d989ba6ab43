/** What the console's pages show of the whole platform and of an endpoint: numbers by time in columns, and where they stand now. */
import { z } from 'zod';
import { endpointBody, endpointStatuses } from './bodies.ts';

const time = z.iso.datetime();
const usd = z.number().describe('US dollars.');
const share = z.number().describe('0 to 1.');
const second = z.number().describe('Epoch seconds.');
const column = z.array(z.number().nullable());

export const overviewEndpointBody = z.strictObject({
  name: z.string(),
  status: z.enum(endpointStatuses),
  reason: z.string().nullable(),
  objective: z.string().nullable(),
  models: z.array(z.string()).describe('group/version of its variants.'),
  rate: z.number().describe('Requests per second, of the last whole minute or less.'),
  requests: z.number().describe('Answered within the span.'),
  latency_ms: z.number().nullable().describe('The promised percentile, p95 where nothing is promised, of the last minute.'),
  spark: column.describe('The same over the span, in 40 parts.'),
  in_time: share
    .nullable()
    .describe('Answered within the objective, of the span, since it was last changed; null without an objective or traffic.'),
  in_time_last_hour: share.nullable().describe('The same of the last hour, as the endpoint itself tells it: by it the promise is judged.'),
  instances_ready: z.number(),
  instances_wanted: z.number(),
  instance_type: z.string().nullable(),
  has_functions: z.boolean(),
  overflow_share: share.nullable().describe('What functions answered beside instances, of the span.'),
  usd_per_hour: usd.nullable().describe('Now; null while nothing is known.'),
  usd_per_million: usd.nullable().describe('Requests, of the span; null where there were none.'),
  last_request_at: time.nullable(),
  alarms: z.number().describe('Of its alarms, those that ring.'),
});

export const overviewBody = z.strictObject({
  at: time,
  span_s: z.number(),
  totals: z.strictObject({
    rate: z.number(),
    peak_rate: z.number().nullable(),
    peak_at: time.nullable(),
    requests: z.number(),
    promised_requests: z.number().describe('Those to endpoints with an objective.'),
    in_time_requests: z.number().describe('Of those, answered within the one of then.'),
    usd_per_hour: usd.nullable(),
    usd_per_million: usd.nullable(),
    spent_usd: usd.describe('Within the span.'),
    always_on_usd: usd.nullable().describe('What instances for the peak of each endpoint would have cost in the same time.'),
  }),
  endpoints: z.array(overviewEndpointBody),
  money: z.strictObject({ at: z.array(second), instance_usd_per_hour: column, function_usd_per_hour: column }),
});

export const historyColumnsBody = z.strictObject({
  rate: column.describe('Requests answered per second.'),
  errors: column.describe('Requests that failed or were refused, per second.'),
  p50_ms: column,
  p95_ms: column,
  p99_ms: column,
  promised_ms: column.describe('The percentile of the objective.'),
  in_time: column.describe('Share within the objective; null where another was promised in the period.'),
  instance_rate: column.describe('Requests per second that instances answered.'),
  function_rate: column.describe('Requests per second that functions answered.'),
  instance_usd_per_hour: column,
  function_usd_per_hour: column,
  mean_batch: column.describe('Rows.'),
  queue_rows: column,
  instances: column,
  functions: column,
});

export const historyBody = z.strictObject({
  endpoint: z.string(),
  from: time,
  to: time,
  period_s: z.number(),
  at: z.array(second).describe('When each period begins; every period of the span, also those in which nothing was measured.'),
  columns: historyColumnsBody.describe('As long as `at`; null where nothing was measured.'),
  forecast: z
    .strictObject({ at: z.array(second), mean: column, low: column, high: column })
    .nullable()
    .describe(
      'Requests per second to come, with the quantiles that the last decision on instances went by; null where nothing is foreseen.',
    ),
  batches: z
    .strictObject({
      since: time,
      dispatched: z.number(),
      mean_rows: z.number().nullable(),
      sizes: z.array(
        z.strictObject({
          from: z.number(),
          to: z.number(),
          reasons: z.record(z.string(), z.number()).describe('Batches by why they left.'),
        }),
      ),
    })
    .nullable()
    .describe('Batches of the last ten minutes by their rows; null where none left.'),
  always_on_usd_per_hour: usd.nullable().describe('Of instances for the peak of the span; null where that is not known.'),
});

/** Every two seconds, to a page that looks: an endpoint's with `endpoint`, else that of the overview. */
export const liveBody = z.strictObject({
  endpoint: endpointBody.nullable(),
  history: historyBody.nullable().describe('Only the periods since the last one that was sent; that one comes again, now with more in it.'),
  overview: overviewBody.nullable(),
});

export type OverviewEndpointBody = z.infer<typeof overviewEndpointBody>;
export type OverviewBody = z.infer<typeof overviewBody>;
export type HistoryBody = z.infer<typeof historyBody>;
export type LiveBody = z.infer<typeof liveBody>;
