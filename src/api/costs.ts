/** What was used and what it cost, hour by hour or added up. */
import { z } from 'zod';
import { costPeriods, sumOf, type Usage, usdPerMillion, wholeHours } from '../costs/index.ts';
import { timeOf } from './parameters.ts';
import { type Route, route } from './route.ts';
import type { ApiServices } from './services.ts';

const usd = z.number().describe('US dollars.');

export const usedBody = z.strictObject({
  instance_seconds: z.number().describe('Of instances, and of functions that are kept warm.'),
  instance_usd: usd.describe('What those cost, whether they work or not.'),
  provisioned_seconds: z.number().describe('The part of instance_seconds that functions were kept warm.'),
  provisioned_usd: usd.describe('The part of instance_usd that this cost.'),
  invocations: z.number().describe('Batches that functions ran.'),
  cold_starts: z.number().describe('Those that waited for a function to start.'),
  function_gb_seconds: z.number(),
  function_usd: usd.describe('What the invocations cost.'),
  total_usd: usd.describe('instance_usd + function_usd.'),
  receipts_usd: usd.describe('What the requests were told that they cost: the part in which something worked.'),
  failed_runs_usd: usd.describe(
    'What runs cost that failed: it is paid for, and is in the sums. A batch that fails is run again in halves, so all of its requests may have been answered.',
  ),
  requests: z.number().describe('Those that were answered, a call of many rows once.'),
  failed_requests: z.number().describe('Those that were refused or failed, but for those that their clients gave up.'),
  cost_usd_per_million: usd.nullable().describe('total_usd for a million answered requests; null where there was none.'),
});

const costLineBody = usedBody.extend({
  at: z.iso.datetime().describe('When the hour, the day (of UTC) or the whole time begins.'),
  endpoint: z.string(),
  variant: z.string(),
});

const costsBody = z.strictObject({
  from: z.iso.datetime().describe('Where the first hour begins that is counted.'),
  to: z.iso.datetime().describe('Where the last one ends, or now while it runs.'),
  by: z.enum(costPeriods),
  prices_as_of: z.string().describe('The day the prices were read.'),
  items: z.array(costLineBody),
  total: usedBody.describe('All items together.'),
});

export type UsedBody = z.infer<typeof usedBody>;
export type CostsBody = z.infer<typeof costsBody>;

const time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));
const sinceMs = 24 * 3_600_000;

export function costRoutes({ costs, clock, prices }: ApiServices): Route[] {
  return [
    route('GET /costs', {
      summary: 'Tell what was used and what it cost',
      description: 'By endpoint and variant, also of endpoints that are gone. Kept by the hour for 400 days; at most 10 000 items.',
      query: z.strictObject({
        endpoint: z.string().max(100).optional(),
        from: time.optional().describe('The hour it falls into counts in full; 24 hours before `to` unless given.'),
        to: time.optional().describe('The hour it falls into counts in full; now unless given.'),
        by: z.enum(costPeriods).default('total'),
      }),
      answer: costsBody,
      handle: async ({ query: { endpoint, by, to: toMs = clock.wallMs(), from: fromMs = toMs - sinceMs } }) => {
        const lines = await costs.list({ endpoint, fromMs, toMs, by });
        const counted = wholeHours({ fromMs, toMs }, clock.wallMs());
        return {
          from: timeOf(counted.fromMs),
          to: timeOf(counted.toMs),
          by,
          prices_as_of: prices.asOf,
          items: lines.map((line) => ({ at: timeOf(line.atMs), endpoint: line.endpoint, variant: line.variant, ...usedBodyOf(line) })),
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
