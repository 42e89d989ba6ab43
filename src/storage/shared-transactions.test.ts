import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { sql } from 'kysely';
import { openPglite } from '../../test/pglite.ts';
import { inTransaction, type OpenDatabase, openDatabase } from './database.ts';
import { inSharedTransaction } from './shared-transactions.ts';
import type { Transaction } from './tables.ts';

const directory = mkdtempSync(join(tmpdir(), 'penstock-shared-'));
after(async () => rm(directory, { recursive: true, force: true }));

for (const [name, open] of [
  ['a SQLite file', () => openDatabase({ file: join(directory, 'shared.db'), synchronous: 'FULL' })],
  ['SQLite in memory', () => openDatabase({ file: ':memory:', synchronous: 'FULL' })],
  ['PGlite', openPglite],
] as const) {
  describe(`shared transactions on ${name}`, () => {
    let opened: OpenDatabase;
    before(async () => {
      opened = await open();
    });
    after(async () => opened.close());
    const add = async (tx: Transaction, bucket: string): Promise<string> => {
      await tx.insertInto('s3_buckets').values({ name: bucket, created_at: 1 }).execute();
      return bucket;
    };
    const named = async (prefix: string): Promise<string[]> => {
      const rows = await opened.db.selectFrom('s3_buckets').select('name').where('name', 'like', `${prefix}%`).orderBy('name').execute();
      return rows.map((row) => row.name);
    };

    test('each caller gets its own result, and everything is stored', async () => {
      const names = Array.from({ length: 50 }, (_, i) => `each-${String(i).padStart(2, '0')}`);
      assert.deepEqual(await Promise.all(names.map((each) => inSharedTransaction(opened.db, (tx) => add(tx, each)))), names);
      assert.deepEqual(await named('each-'), names);
    });

    test('a failing caller fails alone and does not affect others', async () => {
      const outcomes = await Promise.allSettled(
        ['fails-a', 'fails-b', 'fails-c'].map((each) =>
          inSharedTransaction(opened.db, async (tx) => {
            await add(tx, each);
            if (each === 'fails-b') throw new Error('not this one');
            return each;
          }),
        ),
      );
      assert.deepEqual(
        outcomes.map(({ status }) => status),
        ['fulfilled', 'rejected', 'fulfilled'],
      );
      assert.deepEqual(await named('fails-'), ['fails-a', 'fails-c']);
    });

    test('concurrent callers share a transaction; other transactions run in between', async () => {
      let together: Transaction[] = [];
      const shared = [1, 2, 3].map(() => inSharedTransaction(opened.db, async (tx) => void (together = [...together, tx])));
      await Promise.all([...shared, inTransaction(opened.db, (tx) => add(tx, 'own'))]);
      assert.equal(new Set(together).size, 1);
      assert.deepEqual(await named('own'), ['own']);
    });

    test('throws inside a transaction instead of deadlocking', async () => {
      await inTransaction(opened.db, async () => {
        assert.throws(() => inSharedTransaction(opened.db, async () => null), /inside a transaction/);
      });
    });
  });
}

test('an acknowledged write is in the log file, and commits are synchronous again afterwards', async () => {
  const file = join(directory, 'lasting.db');
  const { db, close } = await openDatabase({ file, synchronous: 'FULL' });
  await inSharedTransaction(db, (tx) => tx.insertInto('s3_buckets').values({ name: 'kept', created_at: 1 }).execute());
  await assert.rejects(
    inSharedTransaction(db, async () => {
      throw new Error('undone');
    }),
  );
  const { rows } = await sql<{ synchronous: number }>`pragma synchronous`.execute(db);
  assert.equal(rows[0]?.synchronous, 2, '2 is FULL');
  const other = new DatabaseSync(file, { readOnly: true }); // As seen by a process that opens the file after a kill.
  assert.equal(other.prepare('select count(*) as n from s3_buckets').get()?.n, 1);
  other.close();
  await close();
});
