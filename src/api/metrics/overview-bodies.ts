/** Bodies for the pages of the console: the current state of all endpoints, and the metrics of one over time, in columns. */
import { z } from 'zod';
import { endpointBody, endpointStatuses } from '../bodies.ts';

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
  models: z.array(z.string()).describe('group/version of each variant.'),
  rate: z.number().describe('Requests per second over the last minute.'),
  requests: z.number().describe('Requests answered within the span.'),
  latency_ms: z.number().nullable().describe('Latency over the last minute, at the percentile of the objective (p95 without one).'),
  spark: column.describe('The same latency over the span, in 40 parts.'),
  in_time: share
    .nullable()
    .describe(
      'Share of the responses within the span, since the last change of the objective, that met it; null without an objective or traffic.',
    ),
  in_time_last_hour: share.nullable().describe('The same over the last hour, equal to `in_time` of the endpoint.'),
  instances_ready: z.number(),
  instances_desired: z.number(),
  instance_type: z.string().nullable(),
  has_functions: z.boolean(),
  overflow_share: share.nullable().describe('Share of the requests within the span that overflowed to functions.'),
  usd_per_hour: usd.nullable().describe('Current cost per hour; null while unknown.'),
  usd_per_million: usd.nullable().describe('Cost per million requests within the span; null below 1,000 requests.'),
  last_request_at: time.nullable(),
  alarms: z.number().describe('Number of firing alarms.'),
});

export const overviewBody = z.strictObject({
  at: time,
  span_s: z.number(),
  totals: z.strictObject({
    rate: z.number(),
    peak_rate: z.number().nullable(),
    peak_at: time.nullable(),
    requests: z.number(),
    promised_requests: z.number().describe('Requests to endpoints with an objective.'),
    in_time_requests: z.number().describe('Of these, requests that met the objective in force at the time.'),
    usd_per_hour: usd.nullable(),
    usd_per_million: usd.nullable(),
    spent_usd: usd.describe('Cost within the span.'),
    always_on_usd: usd.nullable().describe('Cost of instances for the peak of each endpoint over the same time.'),
  }),
  endpoints: z.array(overviewEndpointBody),
  money: z.strictObject({ at: z.array(second), instance_usd_per_hour: column, function_usd_per_hour: column }),
});

export const historyColumnsBody = z.strictObject({
  rate: column.describe('Requests answered per second.'),
  errors: column.describe('Failed or rejected requests per second.'),
  p50_ms: column,
  p95_ms: column,
  p99_ms: column,
  promised_ms: column.describe('Latency at the percentile of the objective.'),
  in_time: column.describe('Share of responses that met the objective; null if another objective was in force in the period.'),
  instance_rate: column.describe('Requests per second answered by instances.'),
  function_rate: column.describe('Requests per second answered by functions.'),
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
  at: z.array(second).describe('Start of each period, including periods without data.'),
  columns: historyColumnsBody.describe('Each as long as `at`; null in periods without data.'),
  forecast: z
    .strictObject({ at: z.array(second), mean: column, low: column, high: column })
    .nullable()
    .describe('Forecast requests per second with the quantiles used by the last scaling decision; null without a forecast.'),
  batches: z
    .strictObject({
      since: time,
      dispatched: z.number(),
      mean_rows: z.number().nullable(),
      sizes: z.array(
        z.strictObject({
          from: z.number(),
          to: z.number(),
          reasons: z.record(z.string(), z.number()).describe('Number of batches by close reason.'),
        }),
      ),
    })
    .nullable()
    .describe('Batches of the last ten minutes by number of rows; null if there were none.'),
  always_on_usd_per_hour: usd.nullable().describe('Cost of instances for the peak of the span; null if unknown.'),
});

/** Sent every two seconds: `endpoint` and `history` for one endpoint, otherwise `overview`. */
export const liveBody = z.strictObject({
  endpoint: endpointBody.nullable(),
  history: historyBody.nullable().describe('Only the periods from the last one sent before, which is repeated with newer data.'),
  overview: overviewBody.nullable(),
});

export type OverviewEndpointBody = z.infer<typeof overviewEndpointBody>;
export type OverviewBody = z.infer<typeof overviewBody>;
export type HistoryBody = z.infer<typeof historyBody>;
export type LiveBody = z.infer<typeof liveBody>;
