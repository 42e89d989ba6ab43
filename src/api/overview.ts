/** How all endpoints are: one row for each, and the sum of them, read at once. */
import { z } from 'zod';
import { overviewBody } from './overview-bodies.ts';
import { OverviewReader } from './overview-reader.ts';
import { type Route, route } from './route.ts';

export const spanParameter = z.coerce
  .number()
  .int()
  .min(300)
  .max(7 * 86_400)
  .default(3600)
  .describe('How far back, in seconds.');

export function overviewRoutes(reader: OverviewReader): Route[] {
  return [
    route('GET /overview', {
      summary: 'Tell how all endpoints are',
      description: 'What a page needs that shows them all, in one call. Told anew once a second.',
      query: z.strictObject({ span_s: spanParameter }),
      answer: overviewBody,
      handle: async ({ query }) => Buffer.from(JSON.stringify(await reader.read(query.span_s * 1000))),
    }),
  ];
}
