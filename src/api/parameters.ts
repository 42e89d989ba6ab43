/** The parameters that routes share: parts of paths, pages of lists, JSON in a query. */
import { z } from 'zod';
import { PlatformError } from '../errors.ts';
import type { Page } from './bodies.ts';

export const groupPath = z.strictObject({ group: z.string() });
export const versionPath = z.strictObject({ group: z.string(), version: z.coerce.number().int().min(1) });
export const endpointPath = z.strictObject({ endpoint: z.string() });

export const limitDefault = 100;

export const limitParameter = z.coerce.number().int().min(1).max(500).optional().describe(`How many; ${limitDefault} unless given.`);
const cursorParameter = z.string().max(64).optional().describe("The `next` of the page before; the first page's where there is none.");
export const pageQuery = z.strictObject({ limit: limitParameter, cursor: cursorParameter });

export const switchParameter = z
  .enum(['true', 'false'])
  .optional()
  .transform((word) => word === 'true');

/** A JSON text in a query, read and checked. */
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

/** A page of a list that is read by offset: one more than wanted is asked for, to know whether there is a next page. */
export async function pageByOffset<T, Body>(
  query: z.output<typeof pageQuery>,
  read: (page: { limit: number; offset: number }) => Promise<readonly T[]> | readonly T[],
  bodyOf: (item: T) => Body | Promise<Body>,
): Promise<Omit<Page<Body>, 'items'> & { items: Body[] }> {
  const { limit = limitDefault, cursor = '0' } = query;
  if (!/^\d{1,9}$/.test(cursor)) {
    throw new PlatformError('invalid_request', `the cursor '${cursor}' is none of this list: pass on the 'next' of the page before`);
  }
  const offset = Number(cursor);
  const found = await read({ limit: limit + 1, offset });
  const items: Body[] = [];
  for (const item of found.slice(0, limit)) items.push(await bodyOf(item));
  return { items, next: found.length > limit ? String(offset + limit) : null };
}

export function timeOf(wallMs: number): string {
  return new Date(wallMs).toISOString();
}

type Given<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

/** The fields that came: an absent one and one that is undefined are not the same to those who take them. */
export function given<T extends object>(fields: T): Given<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Given<T>;
}
