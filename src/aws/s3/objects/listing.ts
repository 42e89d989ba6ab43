/** Lists the keys of a bucket in the order of their UTF-8 bytes, rolling keys up into common prefixes at a delimiter. */
import type { Database } from '../../../storage/index.ts';
import { endOfPrefix } from '../buckets/bucket-name.ts';

/** Where a listing continues. */
export interface ListPosition {
  readonly key: string;
  /** Whether `key` itself is part of the continuation. */
  readonly inclusive: boolean;
}

/** What one page of a listing covers. */
export interface ListOptions {
  readonly prefix?: string;
  /** Keys that contain it after the prefix are rolled up into one common prefix. Empty: no roll-up. */
  readonly delimiter?: string;
  readonly from?: ListPosition | undefined;
  /** Limit for objects and common prefixes together. */
  readonly itemsMax: number;
}

/** An object as listings show it: without its headers. */
export interface ListedObject {
  readonly key: string;
  readonly bytes: number;
  /** Without quotes. */
  readonly etag: string;
  readonly modifiedAtMs: number;
}

/** One page. */
export interface Listing {
  readonly objects: readonly ListedObject[];
  readonly prefixes: readonly string[];
  /** Where the next page starts; null at the end. */
  readonly next: ListPosition | null;
  /** The last object or common prefix returned. */
  readonly last: string | null;
}

/**
 * Rows read per query with a delimiter. Starts small, because all further rows with the same common prefix would be discarded, and grows
 * while every row is used.
 */
const rowsMin = 4;
const rowsGrowth = 4;

/** One page of objects and common prefixes, in the order of their UTF-8 bytes. */
export async function listObjects(db: Database, bucket: string, options: ListOptions): Promise<Listing> {
  const { prefix = '', delimiter = '', from, itemsMax } = options;
  const objects: ListedObject[] = [];
  const prefixes: string[] = [];
  let atOnce = delimiter === '' ? itemsMax + 1 : Math.min(itemsMax + 1, 100);
  let last: string | null = null;
  let position: ListPosition | null = from ?? { key: prefix, inclusive: true };
  if (itemsMax === 0) return { objects, prefixes, next: null, last };
  while (position !== null) {
    const returnedBefore = objects.length + prefixes.length;
    const rows = await readRows(db, bucket, prefix, position, atOnce);
    for (const row of rows) {
      if (last !== null && last === prefixes.at(-1) && row.key.startsWith(last)) continue;
      if (objects.length + prefixes.length === itemsMax) return { objects, prefixes, next: position, last };
      const rolledUp = commonPrefix(row.key, prefix, delimiter);
      if (rolledUp === null) {
        objects.push({ key: row.key, bytes: row.bytes, etag: row.etag, modifiedAtMs: row.modified_at });
        last = row.key;
        position = { key: row.key, inclusive: false };
      } else {
        prefixes.push(rolledUp);
        last = rolledUp;
        position = afterPrefix(rolledUp);
      }
    }
    if (rows.length < atOnce) return { objects, prefixes, next: null, last };
    const reported = objects.length + prefixes.length - returnedBefore;
    atOnce = reported === rows.length ? Math.min(atOnce * rowsGrowth, itemsMax + 1) : rowsMin;
  }
  return { objects, prefixes, next: null, last };
}

/** The same for objects in memory, in any order. */
export function listInMemory(all: readonly ListedObject[], options: ListOptions): Listing {
  const { prefix = '', delimiter = '', from = { key: '', inclusive: true }, itemsMax } = options;
  const objects: ListedObject[] = [];
  const prefixes: string[] = [];
  let last: string | null = null;
  let next: ListPosition | null = null;
  if (itemsMax === 0) return { objects, prefixes, next, last };
  for (const object of all.toSorted((a, b) => byBytes(a.key, b.key))) {
    const order = byBytes(object.key, from.key);
    if (!object.key.startsWith(prefix) || order < 0 || (order === 0 && !from.inclusive)) continue;
    const rolledUp = commonPrefix(object.key, prefix, delimiter);
    if (rolledUp !== null && rolledUp === prefixes.at(-1)) continue;
    if (objects.length + prefixes.length === itemsMax) return { objects, prefixes, next, last };
    if (rolledUp === null) objects.push(object);
    else prefixes.push(rolledUp);
    last = rolledUp ?? object.key;
    next = rolledUp === null ? { key: object.key, inclusive: false } : afterPrefix(rolledUp);
  }
  return { objects, prefixes, next: null, last };
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** The position after all keys with this prefix; null if no key can follow. */
export function afterPrefix(prefix: string): ListPosition | null {
  const key = endOfPrefix(prefix);
  return key === null ? null : { key, inclusive: true };
}

/** `a/` for the key `a/b/c` without a prefix; null if the key is listed itself. */
export function commonPrefix(key: string, prefix: string, delimiter: string): string | null {
  if (delimiter === '' || !key.startsWith(prefix)) return null;
  const at = key.indexOf(delimiter, prefix.length);
  return at < 0 ? null : key.slice(0, at + delimiter.length);
}

function readRows(db: Database, bucket: string, prefix: string, position: ListPosition, rowsMax: number) {
  const end = endOfPrefix(prefix);
  let query = db
    .selectFrom('s3_objects')
    .select(['key', 'bytes', 'etag', 'modified_at'])
    .where('bucket', '=', bucket)
    .where('key', position.inclusive ? '>=' : '>', position.key)
    .where('key', '>=', prefix);
  if (end !== null) query = query.where('key', '<', end);
  return query.orderBy('key').limit(rowsMax).execute();
}
