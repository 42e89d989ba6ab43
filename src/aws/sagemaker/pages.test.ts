import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { openControlPlane } from '../../../test/control-plane.ts';
import { openPglite } from '../../../test/pglite.ts';
import { VirtualClock } from '../../clock.ts';
import type { OpenDatabase } from '../../storage/index.ts';
import { AwsError, type AwsInput } from '../service.ts';
import { Documents } from './documents.ts';
import { type AwsPage, type PageRequest, pageOfAll, readPage } from './pages.ts';

const rules = { operation: 'ListThings', sorts: ['CreationTime', 'Name'], orderDefault: 'Descending' } as const;

function isRejected(text: RegExp) {
  return (error: unknown) => error instanceof AwsError && error.code === 'ValidationException' && text.test(error.message);
}

interface Item {
  readonly name: string;
  readonly createdAtMs: number;
}

/** A paginated list that can change between pages. */
interface List {
  add(resource: Item): Promise<void>;
  remove(name: string): Promise<void>;
  page(request: PageRequest): Promise<AwsPage<Item>>;
}

function inMemory(): List {
  const things: Item[] = [];
  return {
    add: async (resource) => void things.push(resource),
    remove: async (name) =>
      void things.splice(
        things.findIndex((resource) => resource.name === name),
        1,
      ),
    page: async (request) =>
      pageOfAll(things, request, {
        entryOf: (resource) => resource,
        sortValue: ({ name, createdAtMs }, sortBy) => (sortBy === 'Name' ? name : createdAtMs),
      }),
  };
}

function inDatabase({ db }: OpenDatabase): List {
  const clock = new VirtualClock();
  const documents = new Documents({ db, clock: Object.assign(Object.create(clock), { wallMs: () => now }) });
  let now = 0;
  return {
    add: async (resource) => {
      now = resource.createdAtMs;
      await documents.add({ kind: 'model', name: resource.name, content: {} });
    },
    remove: async (name) => void (await documents.remove('model', name)),
    page: (request) => documents.page('model', request),
  };
}

const step = fc.record({
  does: fc.constantFrom('add', 'remove', 'page', 'page'),
  createdAtMs: fc.integer({ min: 0, max: 9 }),
  which: fc.nat(),
});

/** Changes between pages repeat no item, and skip none that existed all the time. */
async function checkPagination(open: () => Promise<List>, runs: number): Promise<void> {
  const scripts = fc.array(step, { maxLength: 25 });
  const starts = fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 25 });
  const property = fc.asyncProperty(
    starts,
    scripts,
    fc.constantFrom('CreationTime', 'Name'),
    fc.constantFrom('Ascending', 'Descending'),
    fc.integer({ min: 1, max: 7 }),
    async (start, script, SortBy, SortOrder, MaxResults) => {
      const list = await open();
      let created = 0;
      const existing = new Map<string, Item>();
      const add = async (createdAtMs: number) => {
        const thing = { name: `t${(created++ * 7919) % 997}-${created}`, createdAtMs };
        existing.set(thing.name, thing);
        await list.add(thing);
      };
      for (const createdAtMs of start) await add(createdAtMs);
      const throughout = new Set(existing.keys());
      const listed: Item[] = [];
      let next: AwsPage<Item>['next'] | null = {};
      const read = async () => {
        if (next === null) return;
        const page: AwsPage<Item> = await list.page(readPage({ SortBy, SortOrder, MaxResults, ...next }, rules));
        assert(page.items.length <= MaxResults);
        listed.push(...page.items);
        next = page.next.NextToken === undefined ? null : page.next;
      };
      for (const { does, createdAtMs, which } of script) {
        const [victim] = [...existing.keys()].slice(which % Math.max(1, existing.size));
        if (does === 'add') await add(createdAtMs);
        else if (does === 'remove' && victim !== undefined) {
          existing.delete(victim);
          throughout.delete(victim);
          await list.remove(victim);
        } else await read();
      }
      while (next !== null) await read();
      const names = listed.map(({ name }) => name);
      assert.equal(new Set(names).size, names.length, 'an item is repeated');
      for (const name of throughout) assert(names.includes(name), `${name} was skipped`);
      const keys = listed.map(({ name, createdAtMs }) => (SortBy === 'Name' ? name : `${createdAtMs} ${name}`));
      assert.deepEqual(
        keys,
        [...keys].sort((a, b) => (a < b ? -1 : 1) * (SortOrder === 'Ascending' ? 1 : -1)),
      );
    },
  );
  await fc.assert(property, { numRuns: runs });
}

describe('pages', () => {
  test('in memory repeat and skip nothing', async () => {
    await checkPagination(async () => inMemory(), 200);
  });

  test('of SQLite repeat and skip nothing', async () => {
    const plane = await openControlPlane();
    await checkPagination(async () => {
      await plane.db.deleteFrom('aws_documents').execute();
      return inDatabase(plane.database);
    }, 20);
    await plane.close();
  });

  test('of PostgreSQL repeat and skip nothing', async () => {
    const database = await openPglite();
    await checkPagination(async () => {
      await database.db.deleteFrom('aws_documents').execute();
      return inDatabase(database);
    }, 8);
    await database.close();
  });

  test('have 10 items by default, in the default order of the list', async () => {
    const list = inMemory();
    for (let i = 0; i < 12; i++) await list.add({ name: `n${i}`, createdAtMs: i });
    const { items, next } = await list.page(readPage({}, rules));
    assert.deepEqual(
      items.map(({ name }) => name),
      ['n11', 'n10', 'n9', 'n8', 'n7', 'n6', 'n5', 'n4', 'n3', 'n2'],
    );
    const last = await list.page(readPage({ ...next, MaxResults: 100 }, rules));
    assert.deepEqual([last.items.map(({ name }) => name), last.next], [['n1', 'n0'], {}]);
  });

  test('filter by creation time, and by part of the name regardless of case', async () => {
    const list = inMemory();
    for (const [i, name] of ['Iris', 'digits', 'iris-b', 'IRIS-C'].entries()) await list.add({ name, createdAtMs: i });
    const names = async (input: AwsInput) => (await list.page(readPage(input, rules))).items.map(({ name }) => name);
    assert.deepEqual(await names({ NameContains: 'iRis' }), ['IRIS-C', 'iris-b', 'Iris']);
    assert.deepEqual(await names({ CreationTimeAfter: 0, CreationTimeBefore: 3 }), ['iris-b', 'digits']);
  });
});

describe('a token', () => {
  test('is rejected with other filters, by another operation, and if it is invented', async () => {
    const list = inMemory();
    for (let i = 0; i < 3; i++) await list.add({ name: `n${i}`, createdAtMs: i });
    const { next } = await list.page(readPage({ MaxResults: 1, NameContains: 'n' }, rules));
    for (const [input, how] of [
      [{ ...next, NameContains: 'm' }, rules],
      [{ ...next }, rules],
      [{ ...next, NameContains: 'n', SortBy: 'Name' }, rules],
      [
        { ...next, NameContains: 'n' },
        { ...rules, operation: 'ListOthers' },
      ],
      [{ NextToken: 'invented' }, rules],
      [{ NextToken: Buffer.from('["x",1,"n"]').toString('base64url') }, rules],
      [{ NextToken: 'e30' }, rules],
    ] as const) {
      assert.throws(() => readPage(input, how), isRejected(/Invalid NextToken/), JSON.stringify(input));
    }
  });

  test('that was tampered with is rejected', async () => {
    const plane = await openControlPlane();
    const list = inDatabase(plane.database);
    for (let i = 0; i < 3; i++) await list.add({ name: `n${i}`, createdAtMs: i });
    const { next } = await list.page(readPage({ MaxResults: 1 }, rules));
    const [filters] = JSON.parse(Buffer.from(next.NextToken as string, 'base64url').toString());
    for (const key of [['text', 'n'], [1.5, 'n'], [1, 2], [1], [1, 'n', 'x'], [1, 'n', 1, 1], [1e300, 'n'], [null, 'n'], [1, 'a\0']]) {
      const NextToken = Buffer.from(JSON.stringify([filters, ...key])).toString('base64url');
      assert.throws(() => readPage({ NextToken }, rules), isRejected(/Invalid NextToken/), JSON.stringify(key));
    }
    await plane.close();
  });
});
