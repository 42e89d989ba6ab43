/** Route of usage and cost, per hour, per day or in total. */
import { z } from 'zod';
import { costPeriods, sumOf, type Usage, usdPerMillion, wholeHours } from '../../costs/index.ts';
import { isoTime } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';

const usd = z.number().describe('US dollars.');

export const usedBody = z.strictObject({
  instance_seconds: z.number().describe('Seconds of instances and of provisioned (warm) functions.'),
  instance_usd: usd.describe('Cost of these, busy or idle.'),
  provisioned_seconds: z.number().describe('Part of instance_seconds: provisioned functions.'),
  provisioned_usd: usd.describe('Part of instance_usd: provisioned functions.'),
  invocations: z.number().describe('Batches run by functions.'),
  cold_starts: z.number().describe('Invocations that waited for a cold start.'),
  function_gb_seconds: z.number(),
  function_usd: usd.describe('Cost of the invocations.'),
  total_usd: usd.describe('instance_usd + function_usd.'),
  receipts_usd: usd.describe('Sum of the cost receipts of the requests: the cost of busy time.'),
  failed_runs_usd: usd.describe(
    'Cost of failed runs, included in the totals. A failed batch is run again in halves, so its requests may still have been answered.',
  ),
  requests: z.number().describe('Answered requests; a call with many rows counts once.'),
  failed_requests: z.number().describe('Rejected or failed requests, without those cancelled by their clients.'),
  cost_usd_per_million: usd.nullable().describe('total_usd per million answered requests; null below 1,000 requests.'),
});

const costLineBody = usedBody.extend({
  at: z.iso.datetime().describe('Start of the hour, of the UTC day or of the whole range.'),
  endpoint: z.string(),
  variant: z.string(),
});

const costsBody = z.strictObject({
  from: z.iso.datetime().describe('Start of the first counted hour.'),
  to: z.iso.datetime().describe('End of the last counted hour, or now if that hour is not over.'),
  by: z.enum(costPeriods),
  prices_as_of: z.string().describe('Date of the price list.'),
  items: z.array(costLineBody),
  total: usedBody.describe('Sum of all items.'),
});

export type UsedBody = z.infer<typeof usedBody>;
export type CostsBody = z.infer<typeof costsBody>;

const time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));
const sinceMs = 24 * 3_600_000;

export function costRoutes({ costs, clock, prices }: Pick<ApiServices, 'costs' | 'clock' | 'prices'>): ApiRoute[] {
  return [
    apiRoute('GET /costs', {
      summary: 'Get usage and cost',
      description: 'By endpoint and variant, including deleted endpoints. Hourly data is retained for 400 days; at most 10,000 items.',
      query: z.strictObject({
        endpoint: z.string().max(100).optional(),
        from: time.optional().describe('Rounded down to the hour. Default: 24 hours before `to`.'),
        to: time.optional().describe('Rounded up to the hour. Default: now.'),
        by: z.enum(costPeriods).default('total'),
      }),
      answer: costsBody,
      handle: async ({ query: { endpoint, by, to: toMs = clock.wallMs(), from: fromMs = toMs - sinceMs } }) => {
        const lines = await costs.list({ endpoint, fromMs, toMs, by });
        const counted = wholeHours({ fromMs, toMs }, clock.wallMs());
        return {
          from: isoTime(counted.fromMs),
          to: isoTime(counted.toMs),
          by,
          prices_as_of: prices.asOf,
          items: lines.map((line) => ({ at: isoTime(line.atMs), endpoint: line.endpoint, variant: line.variant, ...usedBodyOf(line) })),
          total: usedBodyOf(sumOf(lines)),
        };
      },
    }),
  ];
}

export function usedBodyOf(usage: Usage): UsedBody {
  return {
    instance_seconds: usage.instanceSeconds,
    instance_usd: usage.instanceUsd,
    provisioned_seconds: usage.provisionedSeconds,
    provisioned_usd: usage.provisionedUsd,
    invocations: usage.invocations,
    cold_starts: usage.coldStarts,
    function_gb_seconds: usage.functionGbSeconds,
    function_usd: usage.functionUsd,
    total_usd: usage.totalUsd,
    receipts_usd: usage.receiptsUsd,
    failed_runs_usd: usage.failedRunsUsd,
    requests: usage.requests,
    failed_requests: usage.failedRequests,
    cost_usd_per_million: usdPerMillion(usage),
  };
}
