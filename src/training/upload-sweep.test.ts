/** Uploads that no job was made of, in a real store with real tables, on a virtual clock. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { type ControlPlane, openControlPlane } from '../../test/control-plane.ts';
import { bucketsOf, type TrainingFixture } from '../../test/training-fixture.ts';
import { VirtualClock } from '../clock.ts';
import { newProgress, TrainingRows } from './rows.ts';
import { channelDefaults, type TrainingChannel, trainingDefaults } from './spec.ts';
import { UploadSweep } from './upload-sweep.ts';
import { trainingBucket, uploadMark } from './uploaded-data.ts';

const dayMs = 24 * 3_600_000;
const upload = (digit: string): string => `uploads/${digit.repeat(8)}-0000-4000-8000-${digit.repeat(12)}/`;

describe('uploaded data without a job', { timeout: 60_000 }, () => {
  let clock: VirtualClock;
  let control: ControlPlane;
  let buckets: TrainingFixture['buckets'];
  const warnings: string[] = [];
  const log = { warn: (_facts: unknown, message: string) => void warnings.push(message) } as unknown as ControlPlane['log'];

  beforeEach(async () => {
    warnings.length = 0;
    clock = new VirtualClock(Date.UTC(2026, 10, 28));
    control = await openControlPlane({ clock });
    buckets = bucketsOf(control, log);
  });
  afterEach(() => control.close());

  const put = (key: string, metadata: Readonly<Record<string, string>> = uploadMark): Promise<unknown> =>
    buckets.put(trainingBucket, key, Buffer.from('1\n'), { headers: { writer: 'AKIA1', metadata } });
  const keys = async (): Promise<string[]> => (await buckets.list(trainingBucket, { itemsMax: 1000 })).objects.map(({ key }) => key);
  const addJob = async (name: string, prefix: string): Promise<void> => {
    const channel: TrainingChannel = { ...channelDefaults, name: 'train', source: { kind: 's3', bucket: trainingBucket, prefix } };
    const spec = { ...trainingDefaults, name, command: ['true'], output: { bucket: trainingBucket, prefix: '', isPacked: true } };
    const rows = new TrainingRows(control.db);
    const stored = { spec: { ...spec, channels: [channel] }, document: null, createdBy: 'AKIA1' };
    await rows.transact((tx) => rows.add(tx, stored, newProgress(clock.wallMs()), clock.wallMs()));
  };
  /** As a server that starts now. */
  const nextServer = (): UploadSweep => new UploadSweep({ db: control.db, buckets, clock, log });

  test('is deleted a day after the server was killed, and nothing else is', async () => {
    assert.equal(await nextServer().sweep(), 0); // before the bucket exists
    await buckets.createBucket(trainingBucket);
    await put(`${upload('a')}train/data`);
    await put(`${upload('a')}more/data`);
    await put(`${upload('b')}train/data`);
    await addJob('used', `${upload('b')}train/`);
    await put(`${upload('c')}train/mine`, {}); // written by a user, not with a job
    await put('uploads/notes.txt');
    await put('job/output/model.tar.gz');
    clock.advance(1);
    const server = nextServer();
    assert.equal(await server.sweep(), 0);
    clock.advance(dayMs - 1);
    assert.equal(await server.sweep(), 0);
    clock.advance(1);
    await put(`${upload('d')}train/data`); // to be a job of this server
    assert.equal(await server.sweep(), 2);
    const remaining = [`${upload('b')}train/data`, `${upload('c')}train/mine`, `${upload('d')}train/data`];
    assert.deepEqual(await keys(), ['job/output/model.tar.gz', ...remaining, 'uploads/notes.txt'].toSorted());
  });

  test('is left alone while its server runs, however long that is and wherever its clock jumps', async () => {
    await buckets.createBucket(trainingBucket);
    const server = nextServer();
    await put(`${upload('a')}train/data`);
    clock.advance(300 * dayMs);
    assert.equal(await server.sweep(), 0);
    assert.equal(await nextServer().sweep(), 1);
  });

  const definition = (id: string): string =>
    JSON.stringify({ Uri: { 'Std:Join': { On: '/', Values: ['s3:/', trainingBucket, 'uploads', id] } } });
  for (const [what, insert] of [
    [
      'a pipeline of the AWS API',
      async (id: string) => {
        const row = { kind: 'pipeline', name_key: 'p', name: 'p', content: definition(id), created_at: 0, updated_at: 0 };
        const owner = { group_key: null, version: null, number: null, endpoint_key: null };
        await control.db
          .insertInto('aws_documents')
          .values({ ...row, ...owner })
          .execute();
      },
    ],
    [
      'an execution of a pipeline',
      async (id: string) => {
        const row = { id: 'e', pipeline_key: 'p', state: 'Succeeded', document: definition(id), created_at: 0, updated_at: 0 };
        await control.db.insertInto('pipeline_executions').values(row).execute();
      },
    ],
    [
      'a rule',
      async (id: string) => {
        await control.db
          .insertInto('event_rules')
          .values({ name: 'r', document: definition(id) })
          .execute();
      },
    ],
  ] as const) {
    test(`is left alone if ${what} refers to it`, async () => {
      await buckets.createBucket(trainingBucket);
      await put(`${upload('a')}train/data`);
      await insert(upload('a').slice('uploads/'.length, -1));
      clock.advance(2 * dayMs);
      assert.equal(await nextServer().sweep(), 0);
    });
  }

  for (const table of ['training_jobs', 'tuning_jobs', 'pipeline_runs', 'event_rules'] as const) {
    test(`is left alone while ${table} cannot be read, and deleted afterwards`, async () => {
      await buckets.createBucket(trainingBucket);
      await put(`${upload('a')}train/data`);
      clock.advance(2 * dayMs);
      const server = nextServer();
      await control.db.schema.alterTable(table).renameTo('away').execute();
      await assert.rejects(server.sweep(), new RegExp(`no such table: ${table}`));
      assert.deepEqual(await keys(), [`${upload('a')}train/data`]);
      await control.db.schema.alterTable('away').renameTo(table).execute();
      assert.equal(await server.sweep(), 1);
    });
  }

  test('is looked for once a day, with a warning for what was deleted or could not be read', async () => {
    await buckets.createBucket(trainingBucket);
    await put(`${upload('a')}train/data`);
    clock.advance(2 * dayMs);
    const server = nextServer();
    server.open();
    const until = async (isDone: () => Promise<boolean>): Promise<void> => {
      for (let turn = 0; turn < 10_000 && !(await isDone()); turn++) await new Promise((resolve) => setImmediate(resolve));
    };
    await control.db.schema.alterTable('event_rules').renameTo('away').execute();
    clock.advance(15 * 60_000);
    await until(async () => warnings.length > 0);
    assert.deepEqual(warnings, ['failed to look for uploaded data without a job, will retry']);
    await control.db.schema.alterTable('away').renameTo('event_rules').execute();
    clock.advance(dayMs);
    await until(async () => (await keys()).length === 0);
    await until(async () => warnings.length > 1);
    await server.close();
    assert.deepEqual([await keys(), warnings.at(-1)], [[], 'deleted uploaded data that no job was made of']);
  });
});
