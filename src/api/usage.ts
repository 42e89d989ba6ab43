/** Route of what an endpoint used and cost since it was made; what one of its name used before is not its own. */
import { z } from 'zod';
import { costsKeptDays } from '../costs/index.ts';
import { Predecessors } from '../monitoring/index.ts';
import { usedBody, usedBodyOf } from './costs.ts';
import { endpointPath, timeOf } from './parameters.ts';
import { type Route, route } from './route.ts';
import type { ApiServices } from './services.ts';

const usageBody = z.strictObject({
  since: z.iso
    .datetime()
    .describe(
      'Since the endpoint was made, as far as that is known: in the hour before, an earlier one of its name may have been deleted.',
    ),
  items: z.array(usedBody.extend({ variant: z.string() })),
});

export type EndpointUsageBody = z.infer<typeof usageBody>;

const hourMs = 3_600_000;
const keptMs = costsKeptDays * 24 * hourMs;

type Needs = Pick<ApiServices, 'deployments' | 'ledger' | 'costs' | 'events' | 'clock'> & {
  readonly server: Pick<ApiServices['server'], 'startedAtMs'>;
};

export function usageRoutes({ deployments, ledger, costs, events, clock, server }: Needs): Route[] {
  const predecessors = new Predecessors(events);
  return [
    route('GET /endpoints/:endpoint/usage', {
      summary: 'Tell what an endpoint used and cost since it was made',
      description: 'By variant, also those that it has no more, and over restarts of the server. `GET /costs` tells it by the hour.',
      params: endpointPath,
      answer: usageBody,
      handle: async ({ params }) => {
        const { config, createdAtMs } = deployments.get(params.endpoint);
        const keptSinceMs = ownSince(await predecessors.goneBefore(config.name, createdAtMs), createdAtMs, clock.wallMs());
        // To the moment, where this server knows it all, or more than what is kept.
        const countedSinceMs = Math.max(createdAtMs, server.startedAtMs);
        const isCounted = countedSinceMs <= keptSinceMs;
        const kept = () => costs.list({ endpoint: config.name, fromMs: keptSinceMs, toMs: clock.wallMs() + 1, by: 'total' });
        const used = isCounted ? ledger.variantsOf(config.name) : (await kept()).map((line) => ({ variant: line.variant, usage: line }));
        return {
          since: timeOf(isCounted ? countedSinceMs : keptSinceMs),
          items: used.map(({ variant, usage }) => ({ variant, ...usedBodyOf(usage) })),
        };
      },
    }),
  ];
}

/** What is kept by the hour is its own from then on, epoch milliseconds. */
function ownSince(goneMs: number | null, createdAtMs: number, nowMs: number): number {
  const hour = createdAtMs - (createdAtMs % hourMs);
  const ownMs = goneMs !== null && goneMs >= hour ? hour + hourMs : createdAtMs;
  return Math.max(ownMs, nowMs - keptMs);
}
