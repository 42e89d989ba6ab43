/** The stored pipelines and runs, in both databases. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { openMemoryDatabase } from '../../../test/empty-database.ts';
import { openPglite } from '../../../test/pglite.ts';
import { noFacts } from './execute-run.ts';
import type { PipelineRun, PipelineTrigger } from './pipeline.ts';
import { parsePipelineFile } from './pipeline-file.ts';
import { PipelineRows } from './pipeline-rows.ts';

const nowMs = Date.UTC(2026, 10, 29);
const file = 'name: Loop\ntrain: {command: [/bin/true]}\n';
const spec = parsePipelineFile(file, nowMs);
const manual: PipelineTrigger = { kind: 'manual', by: 'AKIA', count: 1, atMs: nowMs, parameters: { C: '1' } };

const runOf = (number: number, more: Partial<PipelineRun> = {}): PipelineRun => ({
  ...noFacts,
  pipeline: 'Loop',
  number,
  revision: 1,
  state: 'InProgress',
  trigger: manual,
  parameters: {},
  steps: [{ step: 'train', state: 'Waiting', startedAtMs: null, endedAtMs: null, note: null }],
  reason: null,
  startedAtMs: nowMs + number,
  endedAtMs: null,
  ...more,
});

for (const { name, open } of [
  { name: 'SQLite', open: openMemoryDatabase },
  { name: 'PostgreSQL', open: openPglite },
]) {
  const fixture = async (t: TestContext) => {
    const { db, close } = await open();
    t.after(close);
    const rows = new PipelineRows(db);
    const apply = (sourceSha256: string | null = null, at = nowMs) =>
      rows.transact((tx) => rows.apply(tx, { spec, git: null, file, sourceSha256, who: 'AKIA' }, at));
    return { db, rows, apply };
  };

  describe(`pipelines on ${name}`, () => {
    test('keep each revision with its file and code, and run the newest', async (t) => {
      const { rows, apply } = await fixture(t);
      assert.deepEqual(await apply('a'.repeat(64)), { revision: 1, dropped: [] });
      assert.deepEqual(await apply('b'.repeat(64), nowMs + 1), { revision: 2, dropped: [] });
      const found = await rows.find('LOOP');
      assert.deepEqual(
        [found?.name, found?.spec, found?.file, found?.revision, found?.sourceSha256, found?.appliedBy, found?.isEnabled],
        ['Loop', spec, file, 2, 'b'.repeat(64), 'AKIA', true],
      );
      assert.deepEqual(await rows.revision('loop', 1), { spec, git: null, sourceSha256: 'a'.repeat(64), appliedBy: 'AKIA' });
      assert.equal((await rows.list({ limit: 10 })).length, 1);
    });

    test('do not take the name of a pipeline of the AWS API', async (t) => {
      const { db, apply } = await fixture(t);
      const times = { created_at: nowMs, updated_at: nowMs };
      const row = { kind: 'pipeline', name_key: 'loop', name: 'loop', content: '{}', ...times };
      await db
        .insertInto('aws_documents')
        .values({ ...row, group_key: null, version: null, number: null, endpoint_key: null })
        .execute();
      await assert.rejects(apply(), { code: 'already_exists', message: /there is a pipeline Loop of the AWS API/ });
    });

    test('drop old revisions and name their code, but not that of a run in progress', async (t) => {
      const { rows, apply } = await fixture(t);
      await apply('a'.repeat(64));
      await rows.transact((tx) => rows.addRun(tx, runOf(1)));
      for (let revision = 2; revision <= 52; revision++)
        assert.deepEqual((await apply(`${revision}`)).dropped, revision === 52 ? ['2'] : []);
      assert.notEqual(await rows.revision('loop', 1), null);
      assert.equal(await rows.revision('loop', 2), null);
    });

    test('store the trigger that waits until a run begins', async (t) => {
      const { rows, apply } = await fixture(t);
      await apply();
      await rows.transact((tx) => rows.setWaiting(tx, 'loop', manual, nowMs + 5));
      const waiting = await rows.find('loop');
      assert.deepEqual([waiting?.waiting, waiting?.scheduleHandledMs], [manual, nowMs + 5]);
      await rows.transact(async (tx) => rows.addRun(tx, runOf(await rows.nextNumber(tx, 'loop'))));
      const begun = await rows.find('loop');
      assert.deepEqual([begun?.waiting, begun?.lastStartedAtMs], [null, nowMs + 1]);
      await rows.transact((tx) => rows.setWaiting(tx, 'loop', manual));
      await rows.transact((tx) => rows.setEnabled(tx, 'loop', false, nowMs));
      assert.deepEqual([(await rows.find('loop'))?.waiting, (await rows.find('loop'))?.isEnabled], [null, false]);
    });

    test('number their runs from 1, and find those in progress', async (t) => {
      const { db, rows, apply } = await fixture(t);
      await apply();
      for (const number of [1, 2, 3]) await rows.transact((tx) => rows.addRun(tx, runOf(number)));
      assert.equal(await rows.transact((tx) => rows.nextNumber(tx, 'loop')), 4);
      const done = runOf(2, { state: 'Completed', endedAtMs: nowMs + 9, version: 'digits/1' });
      await rows.updateRun(db, done);
      assert.deepEqual(await rows.run('loop', 2), done);
      assert.deepEqual(
        (await rows.unfinished()).map(({ number }) => number).toSorted((a, b) => a - b),
        [1, 3],
      );
      assert.deepEqual(
        (await rows.runs('loop', { limit: 2, offset: 1 })).map(({ number }) => number),
        [2, 1],
      );
    });

    test('count how often rows were tested on', async (t) => {
      const { rows, apply } = await fixture(t);
      await apply();
      const holdout = { set: 'holdout-1', rows: 450, uses: 1 };
      for (const number of [1, 2]) await rows.transact((tx) => rows.addRun(tx, runOf(number, { holdout })));
      assert.deepEqual(
        [await rows.usesOf('holdout-1', null), await rows.usesOf('holdout-1', runOf(2)), await rows.usesOf('other', null)],
        [2, 1, 0],
      );
    });

    test('count tests of runs and pipelines that were deleted, too', async (t) => {
      const { rows, apply } = await fixture(t);
      await apply();
      const holdout = { set: 'holdout-1', rows: 450, uses: 1 };
      await rows.transact((tx) => rows.addRun(tx, runOf(1)));
      for (const startedAtMs of [5, 5]) await rows.transact((tx) => rows.updateRun(tx, runOf(1, { holdout, startedAtMs })));
      await rows.transact((tx) => rows.remove(tx, 'loop'));
      assert.equal(await rows.usesOf('holdout-1', null), 1);
      await apply();
      const again = runOf(1, { holdout, startedAtMs: 9 });
      await rows.transact((tx) => rows.addRun(tx, again));
      assert.deepEqual([await rows.usesOf('holdout-1', null), await rows.usesOf('holdout-1', again)], [2, 1]);
    });

    test('are deleted with all that belongs to them', async (t) => {
      const { rows, apply } = await fixture(t);
      await apply('a'.repeat(64));
      await rows.transact((tx) => rows.addRun(tx, runOf(1)));
      assert.deepEqual(await rows.transact((tx) => rows.remove(tx, 'LOOP')), ['a'.repeat(64)]);
      assert.deepEqual([await rows.find('loop'), await rows.run('loop', 1), await rows.revision('loop', 1)], [null, null, null]);
    });

    test('remember how far events were matched', async (t) => {
      const { rows } = await fixture(t);
      assert.equal(await rows.cursor(7), 7);
      await rows.setCursor(null, 9);
      assert.equal(await rows.cursor(20), 9);
    });
  });
}
