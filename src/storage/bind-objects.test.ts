import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { openMemoryDatabase } from '../../test/empty-database.ts';
import { PlatformError } from '../errors.ts';
import { bindObjects, otherPlace, requireUnused } from './bind-objects.ts';
import type { OpenDatabase } from './database.ts';
import type { Blob, Blobs } from './objects/blobs.ts';

let database: OpenDatabase;
beforeEach(async () => {
  database = await openMemoryDatabase();
  await database.db.insertInto('installation').values({ slot: 1, id: 'mine', created_at: 1, objects: null }).execute();
});
afterEach(async () => database.close());

/** Small blobs in memory. `away` makes them unavailable. */
function blobsIn(stored: Map<string, string>, state: { isAway?: boolean } = {}): Blobs {
  const reach = (): void => {
    if (state.isAway === true) throw new PlatformError('unavailable', 'the store is away');
  };
  return {
    place: 's3://store/prod',
    sizeOf: async (key: string) => {
      reach();
      return stored.get(key)?.length;
    },
    read: async function* (key: string) {
      reach();
      yield Buffer.from(stored.get(key) ?? '');
    },
    list: async function* (prefix: string): AsyncGenerator<Blob> {
      reach();
      for (const key of stored.keys()) if (key.startsWith(prefix)) yield { key, bytes: 1, modifiedAtMs: 0 };
    },
    write: async (key: string, { content }: { readonly content: unknown }) => {
      reach();
      stored.set(key, String(content));
    },
  } as unknown as Blobs;
}

async function reference(): Promise<void> {
  const row = { name_key: 'j', source_sha256: 'a'.repeat(64) };
  await database.db
    .insertInto('s3_pieces')
    .values({ owner: row.name_key, position: 1, sha256: row.source_sha256, bytes: 1, md5: '', checksums: '', stored_at: 1, content: null })
    .execute();
}

const bind = (place: string | null, blobs: Blobs | null): Promise<void> => bindObjects({ db: database.db, place, blobs });

test('a new installation claims an empty place, and finds it again', async () => {
  const stored = new Map<string, string>();
  await bind('s3://store/prod', blobsIn(stored));
  assert.deepEqual([...stored], [['installation.json', '{"id":"mine"}\n']]);
  await reference();
  await bind('s3://store/prod', blobsIn(stored));
});

for (const [what, stored, message] of [
  [
    'of another installation',
    { 'installation.json': '{"id":"other"}' },
    /belongs to installation other, not to mine.*Choose another prefix/,
  ],
  ['with objects of an unknown installation', { 'objects/sha256/aa': 'x' }, /holds objects of an unknown installation/],
  ['with an unreadable id', { 'installation.json': 'garbage' }, /belongs to installation unknown/],
] as const) {
  test(`a place ${what} is rejected, and nothing is written`, async () => {
    const blobs = new Map<string, string>(Object.entries(stored));
    await assert.rejects(bind('s3://store/prod', blobsIn(blobs)), { code: 'wrong_state', message });
    assert.deepEqual(Object.fromEntries(blobs), stored);
  });
}

test('an installation whose objects are elsewhere does not start, and says where they are', async () => {
  await reference();
  const elsewhere = {
    code: 'wrong_state',
    message: /are in the folders of the data directory, not in s3:\/\/store\/prod.*Start without --objects/,
  };
  await assert.rejects(bind('s3://store/prod', blobsIn(new Map())), elsewhere);
  await database.db.updateTable('installation').set({ objects: 's3://store/prod' }).execute();
  await assert.rejects(bind(null, null), { code: 'wrong_state', message: /Start with --objects 's3:\/\/store\/prod'/ });
});

test('the same place under another address is accepted, and remembered', async () => {
  await reference();
  await database.db.updateTable('installation').set({ objects: 's3://store/prod?endpoint=http://old' }).execute();
  await bind('s3://store/prod?endpoint=http://new', blobsIn(new Map([['installation.json', '{"id":"mine"}']])));
  const { objects } = await database.db.selectFrom('installation').select('objects').executeTakeFirstOrThrow();
  assert.equal(objects, 's3://store/prod?endpoint=http://new');
});

test('while the store is away, only an installation that was bound to it before starts', async () => {
  const state = { isAway: true };
  const blobs = blobsIn(new Map(), state);
  await assert.rejects(bind('s3://store/prod', blobs), { code: 'unavailable' });
  state.isAway = false;
  await bind('s3://store/prod', blobs);
  state.isAway = true;
  await bind('s3://store/prod', blobs);
});

test('a restore continues in a place where one of the same installation was aborted, and in no other that is in use', async () => {
  const stored = new Map<string, string>();
  const blobs = blobsIn(stored);
  await requireUnused(blobs, 'mine');
  stored.set('objects/sha256/aa', 'x');
  await requireUnused(blobs, 'mine');
  await assert.rejects(requireUnused(blobs, 'other'), { code: 'wrong_state', message: /holds objects: choose an empty prefix/ });
  stored.set('installation.json', '{"id":"mine"}');
  await assert.rejects(requireUnused(blobs, 'mine'), {
    code: 'wrong_state',
    message: /belongs to installation mine: choose an empty prefix/,
  });
});

test('a server that stands by learns from the database alone that its place is another one', async () => {
  assert.equal(await otherPlace(database.db, 's3://store/prod'), null); // nothing is stored yet
  await bind('s3://store/prod', blobsIn(new Map()));
  await reference();
  assert.equal(await otherPlace(database.db, 's3://store/prod'), null);
  assert.equal(
    await otherPlace(database.db, 'postgres'),
    "the objects of this installation are in s3://store/prod, not in the database. Start with --objects 's3://store/prod'",
  );
});
