import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { openMemoryDatabase } from '../../../test/empty-database.ts';
import { openPglite } from '../../../test/pglite.ts';
import { insertEndpoint } from '../../../test/recorded-selection.ts';
import { type AllottedTest, allotLevels } from '../../selection/index.ts';
import { inTransaction } from '../../storage/index.ts';
import type { StoredSet } from '../evaluation-rows.ts';
import { setIdOf } from '../evaluation-set.ts';
import { SelectionTests } from './selection-tests.ts';

for (const [database, open] of [
  ['SQLite', openMemoryDatabase],
  ['PGlite', openPglite],
] as const) {
  /** `rows`: fingerprints of the rows of each set, by its name. */
  const fixture = async (t: TestContext, rows: Readonly<Record<string, readonly number[]>>) => {
    const { db, close } = await open();
    t.after(close);
    for (const name of ['digits', 'other']) {
      await insertEndpoint(db, name);
    }
    const deleted = new Set<string>();
    const setOf = (name: string): StoredSet => ({ name, sha256: name, label: 'label', fingerprints: name }) as StoredSet;
    const tests = new SelectionTests({
      db,
      rows: { findSetOf: async (sha256) => (deleted.has(sha256) || rows[sha256] === undefined ? null : setOf(sha256)) },
      answers: { fingerprintsOf: async ({ fingerprints }) => Float64Array.from(rows[fingerprints ?? ''] ?? []) },
    });
    /** Chooses among models alone, and stores the tests. */
    const choose = async (set: string, models: readonly string[], endpoint = 'digits') => {
      const earlier = await tests.earlier(endpoint, setOf(set));
      const chains = models.map((first) => ({ first, second: null }));
      const allotted = allotLevels(earlier.tests, chains, { set: setIdOf(setOf(set)), floor: 0.9, delta: 0.05 });
      await inTransaction(db, (tx) => tests.add(tx, endpoint, earlier, allotted.fresh, 1));
      return allotted;
    };
    return { db, tests, choose, setOf, deleted };
  };
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

  describe(`tests of certificates on ${database}`, () => {
    test('are stored once, and a candidate that is added takes less', async (t) => {
      const { choose } = await fixture(t, { a: range(0, 100) });
      assert.deepEqual((await choose('a', ['m', 'n'])).levels, [0.025, 0.025]);
      const again = await choose('a', ['m', 'n']);
      assert.deepEqual([again.fresh, again.levels, again.errorTotal], [[], [0.025, 0.025], 0.05]);
      const third = await choose('a', ['m', 'n', 'o']);
      assert.deepEqual(third.levels, [0.025, 0.025, 0.05 / 3]);
      assert.equal(third.chains, 3);
    });

    test('start again with new rows, and for another endpoint', async (t) => {
      const { choose } = await fixture(t, { a: range(0, 100), b: range(95, 195) });
      await choose('a', ['m']);
      assert.deepEqual((await choose('b', ['m', 'n'])).levels, [0.025, 0.025], 'five of a hundred rows are shared');
      assert.deepEqual((await choose('a', ['m'], 'other')).errorTotal, 0.05);
    });

    test('go on with a set that shares more than a tenth of its rows, and with all that are related through it', async (t) => {
      const { choose } = await fixture(t, { a: range(0, 100), b: range(100, 200), bridge: range(80, 120), c: range(105, 110) });
      await choose('a', ['m']);
      assert.equal((await choose('b', ['m'])).chains, 1);
      assert.equal((await choose('bridge', ['m'])).chains, 3, 'half of its rows are in each of both');
      assert.equal((await choose('a', ['m', 'n'])).chains, 4, 'the two are one family now');
      assert.equal((await choose('c', ['m'])).chains, 5);
    });

    test('go on if the earlier set is gone: its rows may be the same', async (t) => {
      const { choose, deleted } = await fixture(t, { a: range(0, 100), b: range(200, 300) });
      await choose('a', ['m']);
      deleted.add('a');
      assert.equal((await choose('b', ['m'])).chains, 2);
    });

    test('are not stored by a choice that did not know the others', async (t) => {
      const { tests, setOf, choose, db } = await fixture(t, { a: range(0, 100) });
      const earlier = await tests.earlier('digits', setOf('a'));
      await choose('a', ['m']);
      const fresh: AllottedTest[] = [{ set: 'a label', first: 'n', second: null, floor: 0.9, delta: 0.05, level: 0.05 }];
      await assert.rejects(
        inTransaction(db, (tx) => tests.add(tx, 'digits', earlier, fresh, 1)),
        /^PlatformError: the plans of digits were chosen by another call meanwhile: choose again$/,
      );
    });

    test('are deleted with the endpoint', async (t) => {
      const { choose, db } = await fixture(t, { a: range(0, 100) });
      await choose('a', ['m']);
      await db.deleteFrom('endpoints').where('name_key', '=', 'digits').execute();
      assert.deepEqual(await db.selectFrom('selection_tests').selectAll().execute(), []);
    });
  });
}
