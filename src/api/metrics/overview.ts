/** Route of the overview: one row per endpoint and the totals. */
import { z } from 'zod';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import { overviewBody } from './overview-bodies.ts';
import { OverviewReader } from './overview-reader.ts';

export const spanParameter = z.coerce
  .number()
  .int()
  .min(300)
  .max(7 * 86_400)
  .default(3600)
  .describe('Length of the span before now, in seconds.');

export function overviewRoutes(reader: OverviewReader): ApiRoute[] {
  return [
    apiRoute('GET /overview', {
      summary: 'Get an overview of all endpoints',
      description: 'State and metrics of all endpoints in one call, refreshed once a second.',
      query: z.strictObject({ span_s: spanParameter }),
      answer: overviewBody,
      handle: async ({ query }) => Buffer.from(JSON.stringify(await reader.read(query.span_s * 1000))),
    }),
  ];
}
