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

function isRefused(text: RegExp) {
  return (error: unknown) => error instanceof AwsError && error.code === 'ValidationException' && text.test(error.message);
}

interface Thing {
  readonly name: string;
  readonly createdAtMs: number;
}

/** Something that is listed in pages, and may grow and shrink meanwhile. */
interface List {
  add(thing: Thing): Promise<void>;
  remove(name: string): Promise<void>;
  page(request: PageRequest): Promise<AwsPage<Thing>>;
}

function inMemory(): List {
  const things: Thing[] = [];
  return {
    add: async (thing) => void things.push(thing),
    remove: async (name) =>
      void things.splice(
        things.findIndex((thing) => thing.name === name),
        1,
      ),
    page: async (request) =>
      pageOfAll(things, request, {
        listed: (thing) => thing,
        sortValue: ({ name, createdAtMs }, sortBy) => (sortBy === 'Name' ? name : createdAtMs),
      }),
  };
}

function inDatabase({ db }: OpenDatabase): List {
  const clock = new VirtualClock();
  const documents = new Documents({ db, clock: Object.assign(Object.create(clock), { wallMs: () => now }) });
  let now = 0;
  return {
    add: async (thing) => {
      now = thing.createdAtMs;
      await documents.add({ kind: 'model', name: thing.name, content: {} });
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

/** Whatever happens between the pages: nothing comes twice, and what was there all the time comes, in order. */
async function losesNothing(open: () => Promise<List>, runs: number): Promise<void> {
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
      let made = 0;
      const here = new Map<string, Thing>();
      const add = async (createdAtMs: number) => {
        const thing = { name: `t${(made++ * 7919) % 997}-${made}`, createdAtMs };
        here.set(thing.name, thing);
        await list.add(thing);
      };
      for (const createdAtMs of start) await add(createdAtMs);
      const throughout = new Set(here.keys());
      const seen: Thing[] = [];
      let next: AwsPage<Thing>['next'] | null = {};
      const read = async () => {
        if (next === null) return;
        const page: AwsPage<Thing> = await list.page(readPage({ SortBy, SortOrder, MaxResults, ...next }, rules));
        assert(page.items.length <= MaxResults);
        seen.push(...page.items);
        next = page.next.NextToken === undefined ? null : page.next;
      };
      for (const { does, createdAtMs, which } of script) {
        const [victim] = [...here.keys()].slice(which % Math.max(1, here.size));
        if (does === 'add') await add(createdAtMs);
        else if (does === 'remove' && victim !== undefined) {
          here.delete(victim);
          throughout.delete(victim);
          await list.remove(victim);
        } else await read();
      }
      while (next !== null) await read();
      const names = seen.map(({ name }) => name);
      assert.equal(new Set(names).size, names.length, 'nothing comes twice');
      for (const name of throughout) assert(names.includes(name), `${name} was there all the time`);
      const keys = seen.map(({ name, createdAtMs }) => (SortBy === 'Name' ? name : `${createdAtMs} ${name}`));
      assert.deepEqual(
        keys,
        [...keys].sort((a, b) => (a < b ? -1 : 1) * (SortOrder === 'Ascending' ? 1 : -1)),
      );
    },
  );
  await fc.assert(property, { numRuns: runs });
}

describe('pages', () => {
  test('of what is in memory: nothing comes twice, nothing that stays is missed', async () => {
    await losesNothing(async () => inMemory(), 300);
  });

  test('of SQLite: nothing comes twice, nothing that stays is missed', async () => {
    const plane = await openControlPlane();
    await losesNothing(async () => {
      await plane.db.deleteFrom('aws_documents').execute();
      return inDatabase(plane.database);
    }, 40);
    await plane.close();
  });

  test('of PostgreSQL: nothing comes twice, nothing that stays is missed', async () => {
    const database = await openPglite();
    await losesNothing(async () => {
      await database.db.deleteFrom('aws_documents').execute();
      return inDatabase(database);
    }, 15);
    await database.close();
  });

  test('have 10 items unless asked for another number, the latest first where the list says so', async () => {
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

  test('show what was made later than the one time and earlier than the other, and has the part in its name, in any case', async () => {
    const list = inMemory();
    for (const [i, name] of ['Iris', 'digits', 'iris-b', 'IRIS-C'].entries()) await list.add({ name, createdAtMs: i });
    const names = async (input: AwsInput) => (await list.page(readPage(input, rules))).items.map(({ name }) => name);
    assert.deepEqual(await names({ NameContains: 'iRis' }), ['IRIS-C', 'iris-b', 'Iris']);
    assert.deepEqual(await names({ CreationTimeAfter: 0, CreationTimeBefore: 3 }), ['iris-b', 'digits']);
  });
});

describe('a token', () => {
  test('is refused with other filters, by another list and when it was made up', async () => {
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
      [{ NextToken: 'made up' }, rules],
      [{ NextToken: Buffer.from('["x",1,"n"]').toString('base64url') }, rules],
      [{ NextToken: 'e30' }, rules],
    ] as const) {
      assert.throws(() => readPage(input, how), isRefused(/Invalid NextToken/), JSON.stringify(input));
    }
  });

  test('that was tampered with is refused or leads to another page, and is never an error of ours', async () => {
    const plane = await openControlPlane();
    const list = inDatabase(plane.database);
    for (let i = 0; i < 3; i++) await list.add({ name: `n${i}`, createdAtMs: i });
    const { next } = await list.page(readPage({ MaxResults: 1 }, rules));
    const [filters] = JSON.parse(Buffer.from(next.NextToken as string, 'base64url').toString());
    for (const key of [['text', 'n'], [1.5, 'n'], [1, 2], [1], [1, 'n', 'x'], [1, 'n', 1, 1], [1e300, 'n'], [null, 'n'], [1, 'a\0']]) {
      const NextToken = Buffer.from(JSON.stringify([filters, ...key])).toString('base64url');
      assert.throws(() => readPage({ NextToken }, rules), isRefused(/Invalid NextToken/), JSON.stringify(key));
    }
    await plane.close();
  });
});
