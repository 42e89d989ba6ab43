/** Route of an endpoint's usage and cost since its creation. Excludes usage of a deleted endpoint of the same name. */
import { z } from 'zod';
import { costRetentionDays } from '../../costs/index.ts';
import { Predecessors } from '../../records/index.ts';
import { endpointPath, isoTime } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import { usedBody, usedBodyOf } from './costs.ts';

const usageBody = z.strictObject({
  since: z.iso
    .datetime()
    .describe(
      'Start of the counted time: the creation of the endpoint, or the next full hour if an endpoint of the same name was deleted in the hour of creation.',
    ),
  items: z.array(usedBody.extend({ variant: z.string() })),
});

export type EndpointUsageBody = z.infer<typeof usageBody>;

const hourMs = 3_600_000;
const retainedMs = costRetentionDays * 24 * hourMs;

type UsageDeps = Pick<ApiServices, 'deployments' | 'ledger' | 'costs' | 'events' | 'clock'>;

export function usageRoutes({ deployments, ledger, costs, events, clock }: UsageDeps): ApiRoute[] {
  const predecessors = new Predecessors(events);
  return [
    apiRoute('GET /endpoints/:endpoint/usage', {
      summary: 'Get usage and cost of an endpoint since its creation',
      description: 'By variant, including removed ones, across restarts of the server. `GET /costs` has the hourly figures.',
      params: endpointPath,
      answer: usageBody,
      handle: async ({ params }) => {
        const { config, createdAtMs } = deployments.get(params.endpoint);
        const storedSinceMs = ownSince(await predecessors.removedBefore(config.name, createdAtMs), createdAtMs, clock.wallMs());
        // The ledger in memory is exact; it is used if it covers at least as much time as the stored hours.
        const countedSinceMs = Math.max(createdAtMs, ledger.sinceMs);
        const isCounted = countedSinceMs <= storedSinceMs;
        const retained = () => costs.list({ endpoint: config.name, fromMs: storedSinceMs, toMs: clock.wallMs() + 1, by: 'total' });
        const used = isCounted
          ? ledger.variantsOf(config.name)
          : (await retained()).map((line) => ({ variant: line.variant, usage: line }));
        return {
          since: isoTime(isCounted ? countedSinceMs : storedSinceMs),
          items: used.map(({ variant, usage }) => ({ variant, ...usedBodyOf(usage) })),
        };
      },
    }),
  ];
}

/** Start of the stored hours that belong to this endpoint alone, epoch milliseconds. */
function ownSince(removedAtMs: number | null, createdAtMs: number, nowMs: number): number {
  const hour = createdAtMs - (createdAtMs % hourMs);
  const ownMs = removedAtMs !== null && removedAtMs >= hour ? hour + hourMs : createdAtMs;
  return Math.max(ownMs, nowMs - retainedMs);
}
