/** Parameters shared by routes: path parts, pagination, JSON in a query. */
import { z } from 'zod';
import { PlatformError } from '../../errors.ts';
import type { PageBody } from '../bodies.ts';

export const groupPath = z.strictObject({ group: z.string() });
export const versionPath = z.strictObject({ group: z.string(), version: z.coerce.number().int().min(1) });
export const endpointPath = z.strictObject({ endpoint: z.string() });

export const limitDefault = 100;

export const limitParameter = z.coerce
  .number()
  .int()
  .min(1)
  .max(500)
  .optional()
  .describe(`Maximum number of items. Default: ${limitDefault}.`);
const cursorParameter = z.string().max(64).optional().describe('The `next` of the previous page; omit it for the first page.');
export const pageQuery = z.strictObject({ limit: limitParameter, cursor: cursorParameter });

/** A boolean query parameter; false if omitted. */
export const switchParameter = z
  .enum(['true', 'false'])
  .optional()
  .transform((word) => word === 'true');

/** Parses JSON in a query parameter and validates it. */
export function jsonParameter<T extends z.ZodType>(schema: T) {
  const parsed = z.string().transform((text, context) => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      context.addIssue({ code: 'custom', message: 'expected JSON' });
      return z.NEVER;
    }
  });
  return parsed.pipe(schema).optional();
}

/** A page of a list that is read by offset. Reads one item more than requested to know whether there is a next page. */
export async function pageByOffset<T, Body>(
  query: z.output<typeof pageQuery>,
  read: (page: { limit: number; offset: number }) => Promise<readonly T[]> | readonly T[],
  bodyOf: (item: T) => Body | Promise<Body>,
): Promise<Omit<PageBody<Body>, 'items'> & { items: Body[] }> {
  const { limit = limitDefault, cursor = '0' } = query;
  if (!/^\d{1,9}$/.test(cursor)) {
    throw new PlatformError('invalid_request', `invalid cursor '${cursor}': expected the 'next' of the previous page`);
  }
  const offset = Number(cursor);
  const found = await read({ limit: limit + 1, offset });
  const items: Body[] = [];
  for (const item of found.slice(0, limit)) items.push(await bodyOf(item));
  return { items, next: found.length > limit ? String(offset + limit) : null };
}

export function isoTime(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
