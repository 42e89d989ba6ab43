import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { openMemoryDatabase } from '../../../test/empty-database.ts';
import { openPglite } from '../../../test/pglite.ts';
import { VirtualClock } from '../../clock.ts';
import type { Checkpoint } from './transform-io.ts';
import { type TransformSpec, transformDefaults } from './transform-job.ts';
import { storedProgress } from './transform-progress.ts';
import { TransformRows } from './transform-rows.ts';

const specOf = (name: string): TransformSpec => ({
  ...transformDefaults,
  name,
  group: 'digits',
  version: 1,
  input: { kind: 's3', bucket: 'b', prefix: 'in/' },
  output: { kind: 'file', path: '/out' },
});
const nothing = async (): Promise<void> => undefined;

for (const { name, open } of [
  { name: 'SQLite', open: openMemoryDatabase },
  { name: 'PostgreSQL', open: openPglite },
]) {
  const fixture = async (t: TestContext) => {
    const { db, close } = await open();
    t.after(close);
    const clock = new VirtualClock(Date.UTC(2026, 10, 24));
    return { db, clock, rows: new TransformRows(db, clock) };
  };

  describe(`transforms on ${name}`, () => {
    test('stores a spec unchanged, once per name', async (t) => {
      const { rows } = await fixture(t);
      await rows.add(specOf('Job'), nothing);
      assert.deepEqual((await rows.find('job'))?.spec, specOf('Job'));
      await assert.rejects(rows.add(specOf('JOB'), nothing), { code: 'already_exists' });
      await assert.rejects(
        rows.add(specOf('other'), async () => {
          throw new Error('no');
        }),
        /no/,
      );
      assert.equal(await rows.find('other'), null);
    });

    test('allows only valid state transitions', async (t) => {
      const { rows, clock } = await fixture(t);
      await rows.add(specOf('job'), nothing);
      clock.advance(5);
      assert.equal(await rows.turn('job', ['InProgress'], 'Stopping'), true);
      assert.equal(await rows.turn('job', ['InProgress'], 'Completed'), false);
      assert.equal(await rows.turn('job', ['Stopping'], 'Stopped', 'why'), true);
      const retained = await rows.find('job');
      assert.deepEqual([retained?.state, retained?.reason, retained?.endedAtMs], ['Stopped', 'why', clock.wallMs()]);
      assert.deepEqual(await rows.inStates(['InProgress', 'Stopping']), []);
    });

    test('reports the progress of unfinished objects', async (t) => {
      const { rows } = await fixture(t);
      await rows.add(specOf('job'), nothing);
      const names = ['begun', 'done', 'waiting'];
      await rows.addObjects(
        'job',
        names.map((name) => ({ name, bytes: 10 })),
      );
      const checkpoint = { identity: 'a', position: { offset: 5, lines: 4 }, outputBytes: 9, records: 3, skipped: 1 };
      for (const position of [0, 1]) await rows.checkpoint('job', position, JSON.stringify(checkpoint));
      await rows.settle('job', 1, { state: 'done', records: 7, skipped: 0, note: null });
      const begun = (await rows.begun('JOB')).map((each) => JSON.parse(each) as Checkpoint);
      assert.deepEqual(begun, [checkpoint]);
      const { records, skipped, bytes, bytesDone, remainingMs } = storedProgress(await rows.totals('job'), begun);
      assert.deepEqual([records, skipped, bytes, bytesDone, remainingMs], [10, 1, 30, 15, null]);
    });

    test('sums up objects and resets failed ones', async (t) => {
      const { rows } = await fixture(t);
      await rows.add(specOf('job'), nothing);
      await rows.addObjects(
        'job',
        Array.from({ length: 250 }, (_, at) => ({ name: `${at}.csv`, bytes: 10 })),
      );
      await rows.checkpoint('job', 0, '{"a":1}');
      assert.equal((await rows.objects('job', { limit: 1 }))[0]?.checkpoint, '{"a":1}');
      await rows.settle('job', 0, { state: 'done', records: 7, skipped: 1, note: null });
      await rows.settle('job', 1, { state: 'failed', records: 0, skipped: 0, note: 'line 3' });
      const totals = { objects: 250, objectsDone: 1, objectsFailed: 1, records: 7, skipped: 1, bytes: 2500, bytesDone: 20 };
      assert.deepEqual(await rows.totals('job'), totals);
      assert.deepEqual(
        (await rows.failures('job', 3)).map(({ name: object, note }) => [object, note]),
        [['1.csv', 'line 3']],
      );
      await rows.retryFailed('job');
      assert.equal((await rows.totals('job')).objectsFailed, 0);
      const [first] = await rows.objects('job', { after: 248, limit: 10 });
      assert.deepEqual([first?.position, first?.checkpoint], [249, null]);
    });

    test('continues a list after any item', async (t) => {
      const { rows, clock } = await fixture(t);
      for (const each of ['b', 'c', 'a', 'd']) {
        await rows.add(specOf(each), nothing);
        clock.advance(1);
      }
      await rows.turn('c', ['InProgress'], 'Failed');
      const names = async (filter: Partial<Parameters<typeof rows.list>[0]>) =>
        (await rows.list({ limit: 10, ...filter })).map(({ spec }) => spec.name);
      assert.deepEqual(await names({}), ['d', 'a', 'c', 'b']);
      assert.deepEqual(await names({ sortBy: 'name_key', descending: false, after: ['b', 'b'] }), ['c', 'd']);
      assert.deepEqual(await names({ sortBy: 'state', after: ['Failed', 'c'] }), []);
      assert.deepEqual(await names({ state: 'Failed' }), ['c']);
      for (const nameContains of ['a', 'A']) assert.deepEqual(await names({ nameContains }), ['a']);
      assert.deepEqual(await names({ updatedAfterMs: clock.wallMs() - 1, descending: false }), ['c']);
      assert.deepEqual(await names({ offset: 1, limit: 2 }), ['a', 'c']);
    });
  });
}
