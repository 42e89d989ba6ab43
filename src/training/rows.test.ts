/** The stored jobs and the offsets of their logs, in both databases. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { openMemoryDatabase } from '../../test/empty-database.ts';
import { openPglite } from '../../test/pglite.ts';
import { VirtualClock } from '../clock.ts';
import { LogGroups } from '../logs/index.ts';
import type { TaskLine } from '../providers/index.ts';
import { Events } from '../records/index.ts';
import { OutputLog } from './attempts/output-log.ts';
import { JobStates } from './job-states.ts';
import { newProgress, TrainingRows } from './rows.ts';
import { type TrainingSpec, trainingDefaults } from './spec.ts';
import { trainingSteps } from './status.ts';

const specOf = (name: string): TrainingSpec => ({
  ...trainingDefaults,
  name,
  command: ['/bin/true'],
  output: { bucket: 'team', prefix: 'out', isPacked: true },
  source: { sha256: 'a'.repeat(64) },
});

async function unfinishedIn(rows: TrainingRows): Promise<string[]> {
  const names: string[] = [];
  for await (const { spec } of rows.unfinished()) names.push(spec.name);
  return names;
}

for (const { name, open } of [
  { name: 'SQLite', open: openMemoryDatabase },
  { name: 'PostgreSQL', open: openPglite },
]) {
  const fixture = async (t: TestContext) => {
    const { db, close } = await open();
    t.after(close);
    const clock = new VirtualClock(Date.UTC(2026, 10, 24));
    const rows = new TrainingRows(db);
    const events = new Events(db, clock);
    const states = new JobStates({ rows, clock, events });
    const add = (job: string, nowMs = clock.wallMs()) =>
      rows.transact((tx) => rows.add(tx, { spec: specOf(job), document: { A: 1 }, createdBy: 'AKIA' }, newProgress(nowMs), nowMs));
    return { db, clock, rows, events, states, add };
  };

  describe(`training jobs on ${name}`, () => {
    test('are stored unchanged, once per name', async (t) => {
      const { rows, add, clock } = await fixture(t);
      await add('Job');
      const stored = await rows.find('JOB');
      assert.deepEqual([stored?.spec, stored?.document, stored?.createdBy], [specOf('Job'), { A: 1 }, 'AKIA']);
      assert.deepEqual(stored?.progress, newProgress(clock.wallMs()));
      await assert.rejects(add('jOB'), { code: 'already_exists' });
    });

    test('change with their events, one change after another', async (t) => {
      const { rows, states, events, add } = await fixture(t);
      await add('job');
      await Promise.all([
        states.step('job', trainingSteps.waiting(2, 1)),
        states.step('job', trainingSteps.downloading),
        states.patch('job', ({ progress }) => ({ notes: [...progress.notes, 'one'] })),
        states.patch('job', ({ progress }) => ({ notes: [...progress.notes, 'two'] })),
        states.step('job', trainingSteps.training),
      ]);
      const stored = await rows.find('job');
      assert.deepEqual(stored?.progress.notes, ['one', 'two']);
      assert.deepEqual(
        stored?.progress.transitions.map(({ status }) => status),
        ['Starting', 'Downloading', 'Training'],
      );
      const kinds = (await events.since(0, 10)).map(({ kind }) => kind);
      assert.deepEqual(kinds, ['training.downloading', 'training.training']);
    });

    test('take no step back while they are stopped, and none once they are over', async (t) => {
      const { rows, states, add } = await fixture(t);
      await add('job');
      await states.step('job', trainingSteps.stopping);
      await states.step('job', trainingSteps.training);
      assert.equal((await rows.find('job'))?.progress.secondaryStatus, 'Stopping');
      const uploading = await states.step('job', trainingSteps.uploading);
      assert.deepEqual([uploading?.progress.status, uploading?.progress.secondaryStatus], ['Stopping', 'Uploading']);
      await states.step('job', trainingSteps.failed);
      await states.step('job', trainingSteps.completed);
      await states.patch('job', { notes: ['late'] });
      const { progress } = (await rows.find('job')) ?? {};
      assert.deepEqual([progress?.status, progress?.notes], ['Failed', []]);
      assert.equal(await states.step('absent', trainingSteps.failed), null);
    });

    test('leave no change without its event, and no event without its change', async (t) => {
      const { rows, states, events, add } = await fixture(t);
      await add('job');
      const alongside = async (): Promise<void> => {
        throw new Error('no');
      };
      await assert.rejects(states.step('job', trainingSteps.downloading, { alongside }), /no/);
      assert.equal((await rows.find('job'))?.progress.secondaryStatus, 'Starting');
      assert.deepEqual(await events.since(0, 10), []);
    });

    test('get one version', async (t) => {
      const { rows, add } = await fixture(t);
      await add('job');
      const set = (version: string) => rows.transact((tx) => rows.setVersion(tx, 'job', version));
      assert.deepEqual([await set('digits/1'), await set('digits/2')], [true, false]);
      assert.equal((await rows.find('job'))?.version, 'digits/1');
    });

    test('are listed by filter, in pages, and found by the beginning of their names', async (t) => {
      const { rows, add, states } = await fixture(t);
      for (const [at, job] of ['b-1', 'a-1', 'b-2'].entries()) await add(job, at);
      await states.step('a-1', trainingSteps.failed);
      const namesOf = async (filter: Parameters<TrainingRows['list']>[0]) => (await rows.list(filter)).map(({ spec }) => spec.name);
      assert.deepEqual(await namesOf({ limit: 9 }), ['b-2', 'a-1', 'b-1']);
      assert.deepEqual(await namesOf({ limit: 9, sortBy: 'name_key', descending: false, after: ['a-1', 'a-1'] }), ['b-1', 'b-2']);
      assert.deepEqual(await namesOf({ limit: 1, offset: 1 }), ['a-1']);
      assert.deepEqual(await namesOf({ limit: 9, offset: 3 }), []);
      assert.deepEqual(await namesOf({ limit: 9, status: 'Failed' }), ['a-1']);
      assert.deepEqual(await namesOf({ limit: 9, nameContains: 'B-', createdAfterMs: 0 }), ['b-2']);
      assert.deepEqual(await namesOf({ limit: 9, nameContains: '%' }), []);
      assert.deepEqual((await rows.namesLike('B-')).toSorted(), ['b-1', 'b-2']);
      assert.deepEqual(await unfinishedIn(rows), ['b-1', 'b-2']);
    });

    test('are all listed, however many are read at once', async (t) => {
      const { rows, add } = await fixture(t);
      const names = Array.from({ length: 45 }, (_, at) => `job-${String(at).padStart(2, '0')}`);
      for (const [at, job] of names.entries()) await add(job, Math.floor(at / 7)); // several were created at once
      const namesOf = async (filter: Parameters<TrainingRows['list']>[0]) => (await rows.list(filter)).map(({ spec }) => spec.name);
      assert.deepEqual(await namesOf({ limit: 100 }), names.toReversed());
      assert.deepEqual(await namesOf({ limit: 30, offset: 5, sortBy: 'name_key', descending: false }), names.slice(5, 35));
      assert.deepEqual(await namesOf({ limit: 41, sortBy: 'state', descending: false }), names.slice(0, 41));
      assert.deepEqual(await unfinishedIn(rows), names);
    });

    test('have each line once, whenever the copying of the output was killed', async (t) => {
      const { db, clock } = await fixture(t);
      const printed = ['a', 'b', 'c', 'd'].map((line, at) => ({
        at: clock.wallMs() + at,
        from: at < 3 ? ('out' as const) : ('err' as const),
        line,
      }));
      const output = async (_id: string, from: number) => ({
        lines: printed.slice(from, from + 1),
        nextOffset: Math.min(from + 1, printed.length),
      });
      const at = { group: '/jobs', stream: 's', attempt: 2 };
      for (let kill = 0; kill < printed.length; kill++) {
        const logGroups = new LogGroups({ db, clock, files: [], onFailure: (error) => assert.fail(String(error)) });
        await logGroups.open();
        const log = new OutputLog({ logGroups, output }, at);
        assert.equal((await log.copy('job/2')).length, 1);
        assert.deepEqual(log.tail, [printed[kill]?.line]);
      }
      const logGroups = new LogGroups({ db, clock, files: [], onFailure: (error) => assert.fail(String(error)) });
      await logGroups.open();
      assert.deepEqual(await new OutputLog({ logGroups, output }, at).copy('job/2'), []);
      const query = {
        streams: null,
        fromMs: 0,
        toMs: Number.POSITIVE_INFINITY,
        from: 'head',
        cursor: null,
        limit: 10,
        matches: () => true,
      } as const;
      const { events } = await logGroups.read('/jobs', query);
      assert.deepEqual(
        events.map(({ message }) => message),
        ['a', 'b', 'c', 'd'],
      );
      const next = new OutputLog({ logGroups, output }, { ...at, attempt: 3 });
      assert.equal((await next.copy('job/3')).length, 1);
    });

    test('hold the first lines of a long output and say so once, whenever the copying was killed, and all lines are read', async (t) => {
      const { db, clock } = await fixture(t);
      const lines = Array.from({ length: 9 }, (_, at) => ({ at: clock.wallMs() + at, from: 'out' as const, line: `line ${at}` }));
      const printed: TaskLine[] = [...lines, { at: clock.wallMs() + 9, from: 'task', line: 'dropped' }];
      const output = async (_id: string, from: number) => ({
        lines: printed.slice(from, from + 1),
        nextOffset: Math.min(from + 1, printed.length),
      });
      const read: string[] = [];
      let logGroups = new LogGroups({ db, clock, files: [], onFailure: (error) => assert.fail(String(error)) });
      for (let kill = 0; kill < printed.length; kill++) {
        logGroups = new LogGroups({ db, clock, files: [], onFailure: (error) => assert.fail(String(error)) });
        await logGroups.open();
        const log = new OutputLog({ logGroups, output, logBytesMax: 4 }, { group: '/jobs', stream: 'long', attempt: 1 });
        read.push(...(await log.copy('job/1')).map(({ line }) => line));
      }
      assert.equal(read.length, printed.length);
      const all = { streams: null, fromMs: 0, toMs: Number.POSITIVE_INFINITY, cursor: null, limit: 100, matches: () => true } as const;
      const { events } = await logGroups.read('/jobs', { ...all, from: 'head' });
      assert.deepEqual(
        events.map(({ message }) => message),
        [
          'line 0',
          'line 1',
          'line 2',
          'line 3',
          'the output of this job exceeds the 0 MiB that its log holds: further lines are read for metrics only. Print less',
          'dropped',
        ],
      );
    });
  });
}
