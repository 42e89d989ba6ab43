/** Compares listings with a model that has all keys in an array. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { openMemoryDatabase } from '../../../../test/empty-database.ts';
import { openPglite } from '../../../../test/pglite.ts';
import type { OpenDatabase } from '../../../storage/index.ts';
import { endOfPrefix } from '../buckets/bucket-name.ts';
import {
  afterPrefix,
  commonPrefix,
  type ListedObject,
  type Listing,
  type ListOptions,
  type ListPosition,
  listInMemory,
  listObjects,
} from './listing.ts';

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** Few characters, so that keys share prefixes. The last three sort differently in UTF-16 and UTF-8. */
const character = fc.constantFrom('a', 'b', '/', '-', 'é', '\ud7ff', '\ue000', '\uffff', '🌊', '\u{10ffff}');
const key = fc.string({ unit: character, minLength: 1, maxLength: 6 });
const prefix = fc.oneof(fc.constant(''), fc.string({ unit: character, maxLength: 3 }));
const delimiter = fc.constantFrom('', '/', '-', 'a/', '🌊');

/** The expected listing in order: keys, and common prefixes marked as such. */
function expectedItems(keys: readonly string[], prefixAsked: string, delimiterAsked: string, after: string): string[] {
  const items = new Set<string>();
  for (const each of keys.toSorted(byBytes)) {
    if (!each.startsWith(prefixAsked) || byBytes(each, after) <= 0) continue;
    const at = delimiterAsked === '' ? -1 : each.indexOf(delimiterAsked, prefixAsked.length);
    items.add(at < 0 ? `key ${each}` : `prefix ${each.slice(0, at + delimiterAsked.length)}`);
  }
  return [...items];
}

/** Lists a bucket with these keys. */
interface Listed {
  readonly fill: (keys: readonly string[]) => Promise<void>;
  readonly list: (options: ListOptions) => Promise<Listing>;
  readonly close: () => Promise<void>;
}

const listing = fc.record({ prefix, delimiter, after: fc.oneof(fc.constant(''), key), itemsMax: fc.integer({ min: 1, max: 5 }) });

function listingContract(name: string, numRuns: number, open: () => Promise<Listed>): void {
  test(`${name}: the pages of any listing match the model`, async () => {
    const { fill, list, close } = await open();
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(key, { maxLength: 30 }),
        fc.array(listing, { minLength: 1, maxLength: 6 }),
        async (keys, requested) => {
          await fill(keys);
          for (const { after, ...options } of requested) {
            const items: string[] = [];
            let from: ListPosition | undefined = { key: after, inclusive: after === '' };
            for (let page = 0; page < 100 && from !== undefined; page++) {
              const { objects, prefixes, next, last } = await list({ ...options, from });
              const reported = [...objects.map((object) => object.key), ...prefixes].sort(byBytes);
              assert(reported.length <= options.itemsMax);
              assert.equal(last, reported.at(-1) ?? null);
              if (next !== null) assert.equal(reported.length, options.itemsMax);
              items.push(...reported.map((each) => (prefixes.includes(each) ? `prefix ${each}` : `key ${each}`)));
              from = next ?? undefined;
            }
            assert.deepEqual(items, expectedItems(keys, options.prefix, options.delimiter, after));
          }
        },
      ),
      { numRuns },
    );
    await close();
  });
}

async function inDatabase({ db, close }: OpenDatabase): Promise<Listed> {
  await db.insertInto('s3_buckets').values({ name: 'bucket', created_at: 1 }).execute();
  const rest = { bucket: 'bucket', id: '', bytes: 1, etag: '', modified_at: 1, parts: null, headers: '{}', checksums: '{}' };
  return {
    async fill(keys) {
      await db.deleteFrom('s3_objects').execute();
      const rows = keys.map((each) => ({ key: each, ...rest }));
      if (rows.length > 0) await db.insertInto('s3_objects').values(rows).execute();
    },
    list: (options) => listObjects(db, 'bucket', options),
    close,
  };
}

listingContract('SQLite', 200, async () => inDatabase(await openMemoryDatabase()));
listingContract('PGlite', 25, async () => inDatabase(await openPglite()));
listingContract('in memory', 200, async () => {
  let all: ListedObject[] = [];
  const fill = async (keys: readonly string[]): Promise<void> => {
    all = keys.map((each) => ({ key: each, bytes: 1, etag: '', modifiedAtMs: 1 }));
  };
  return { fill, list: async (options) => listInMemory(all, options), close: async () => undefined };
});

describe('the end of a prefix', () => {
  test('sorts after every text with this prefix and before all later ones', () => {
    fc.assert(
      fc.property(key, key, (begin, other) => {
        const end = endOfPrefix(begin);
        if (other.startsWith(begin)) assert(end === null || byBytes(other, end) < 0);
        else if (byBytes(other, begin) > 0) assert(end !== null && byBytes(other, end) >= 0);
      }),
      { numRuns: 2000 },
    );
  });

  test('lists thousands of keys in few folders as the folders', async () => {
    const { db, close } = await openMemoryDatabase();
    await db.insertInto('s3_buckets').values({ name: 'bucket', created_at: 1 }).execute();
    const rest = { bucket: 'bucket', id: '', bytes: 1, etag: '', modified_at: 1, parts: null, headers: '{}', checksums: '{}' };
    for (let folder = 0; folder < 20; folder++) {
      const keys = Array.from({ length: 500 }, (_, i) => ({ key: `${folder + 10}/${i}`, ...rest }));
      await db.insertInto('s3_objects').values(keys).execute();
    }
    const { prefixes, next } = await listObjects(db, 'bucket', { delimiter: '/', itemsMax: 1000 });
    assert.deepEqual([prefixes.length, prefixes[0], next], [20, '10/', null]);
    assert.deepEqual(afterPrefix('10/'), { key: '100', inclusive: true });
    assert.equal(commonPrefix('a/b/c', 'a/', '/'), 'a/b/');
    await close();
  });
});
