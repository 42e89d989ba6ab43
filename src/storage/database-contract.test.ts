/** What every database promises. Each dialect's test calls this; it is part of no product code. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { inTransaction, isForeignKeyViolation, isUniqueViolation, type OpenDatabase } from './database.ts';
import { migrationsFor } from './migrations.ts';
import type { ModelVersionsTable } from './tables/registry.ts';
import type { Database } from './tables.ts';

/** `open` gives an empty database; with `again` the same one a second time while the first is open, where that is possible. */
export function databaseContract(name: string, open: () => Promise<OpenDatabase>, again?: () => Promise<OpenDatabase>): void {
  describe(`${name} as the database`, () => {
    let opened: OpenDatabase;
    let db: Database;
    const dialect = name === 'SQLite' ? 'sqlite' : 'postgres';
    before(async () => {
      opened = await open();
      db = opened.db;
    });
    after(async () => opened?.close());

    test('has every table after the migrations, and opening it again changes nothing', async () => {
      const kept = ['audit', 'events', 'decisions', 'hourly_costs'] as const;
      for (const table of ['model_groups', 'model_versions', 'profiles', 'endpoints', ...kept] as const) {
        assert.deepEqual(await db.selectFrom(table).selectAll().execute(), [], table);
      }
      if (again === undefined) return;
      await addGroup(db, 'kept');
      const second = await again();
      assert.equal((await second.db.selectFrom('model_groups').select('name').execute()).length, 1);
      await second.close();
    });

    test('refuses a second row of the same key, and says that this was the reason', async () => {
      await addGroup(db, 'twice');
      await assert.rejects(addGroup(db, 'twice'), (error) => isUniqueViolation(error) && !isForeignKeyViolation(error));
      await addVersion(db, 'twice', 1);
      await assert.rejects(addVersion(db, 'twice', 1), isUniqueViolation);
    });

    test('refuses a version without its group, and to delete a group that has versions', async () => {
      await assert.rejects(addVersion(db, 'nobody', 1), (error) => isForeignKeyViolation(error) && !isUniqueViolation(error));
      await addGroup(db, 'parent');
      await addVersion(db, 'parent', 1);
      await assert.rejects(db.deleteFrom('model_groups').where('name_key', '=', 'parent').execute(), isForeignKeyViolation);
    });

    test('takes the profiles along when their version goes', async () => {
      await addGroup(db, 'profiled');
      await addVersion(db, 'profiled', 1);
      await db
        .insertInto('profiles')
        .values({ group_key: 'profiled', version: 1, executor: 'instance:local.1', profile: '{}', measured_at: 1 })
        .execute();
      await db.deleteFrom('model_versions').where('group_key', '=', 'profiled').execute();
      assert.equal((await db.selectFrom('profiles').selectAll().where('group_key', '=', 'profiled').execute()).length, 0);
    });

    test('gives deliveries of before there were lanes that of their target, however many they are', async () => {
      const jobOf = (id: string, arn: string, lane: string | null, queue = 'deliveries') => {
        const payload = JSON.stringify({ rule: 'r', target: { id: 't', arn }, body: '{}', eventId: 'e' });
        const state = { lease: null, attempts: 0, state: 'open', reason: null };
        return { id, queue, lane, payload, priority: 0, created_at: 1, visible_at: 1, expires_at: null, ...state };
      };
      const many = Array.from({ length: 150 }, (_, i) => jobOf(`many${i}`, `https://h${i}.example/a?b`, 'of before'));
      const log = 'arn:aws:logs:us-east-1:000000000000:log-group:/a';
      const rows = [...many, jobOf('log', log, null), jobOf('kept', 'http://a.example/', 'its own'), jobOf('other', 'x', null, 'async/a')];
      await db.insertInto('jobs').values(rows).execute();
      const step = migrationsFor('state', 'sqlite')['0030-lanes-of-deliveries'];
      await step?.up(db);
      const lanes = new Map((await db.selectFrom('jobs').select(['id', 'lane']).execute()).map(({ id, lane }) => [id, lane]));
      for (let i = 0; i < 150; i++) assert.equal(lanes.get(`many${i}`), `https://h${i}.example`);
      assert.deepEqual(
        ['log', 'kept', 'other'].map((id) => lanes.get(id)),
        [log, 'its own', null],
      );
    });

    test('gives deliveries of before they had a cause their rule, however many they are', async () => {
      const jobOf = (id: string, rule: string, cause: string | null, queue = 'deliveries') => {
        const payload = JSON.stringify({ rule, target: { id: 't', arn: 'https://a.example' }, body: '{}', eventId: 'e' });
        const state = { lease: null, attempts: 0, state: 'open', reason: null };
        return { id, queue, cause, payload, priority: 0, created_at: 1, visible_at: 1, expires_at: null, ...state };
      };
      const many = Array.from({ length: 150 }, (_, i) => jobOf(`ruled${i}`, `rule ${i}`, null));
      const rows = [...many, jobOf('caused', 'r', 'its own'), jobOf('elsewhere', 'r', null, 'async/a')];
      await db.insertInto('jobs').values(rows).execute();
      await migrationsFor('state', 'sqlite')['0035-causes-of-deliveries']?.up(db);
      const causes = new Map((await db.selectFrom('jobs').select(['id', 'cause']).execute()).map(({ id, cause }) => [id, cause]));
      for (let i = 0; i < 150; i++) assert.equal(causes.get(`ruled${i}`), `rule ${i}`);
      assert.deepEqual([causes.get('caused'), causes.get('elsewhere')], ['its own', null]);
    });

    test('finds in an audit of before which records are one call', async () => {
      const of = (requestId: string, operation?: string): string => JSON.stringify({ door: 'aws', requestId, operation });
      const origins = {
        i1: of('r1', 'CreateModel'),
        i2: of('r2', 'CreateModel'),
        i3: of('r1', 'CreateModel'),
        i4: of('r3'),
        i5: of('r3'),
        i6: null,
      };
      const said = { who: 'w', action: 'a', target: 't', outcome: 'ok', detail: '{}', number: 0, hash: '', call_id: '' };
      const rows = Object.entries(origins).map(([id, origin], at) => ({ ...said, id, at, origin }));
      await db.insertInto('audit').values(rows).execute();
      await db.schema.dropIndex('audit_by_call').execute();
      await db.schema.alterTable('audit').dropColumn('call_id').execute();
      await migrationsFor('state', dialect)['0039-audit-by-call']?.up(db);
      const found = await db.selectFrom('audit').select('call_id').orderBy('id').execute();
      await db.deleteFrom('audit').execute();
      assert.deepEqual(
        found.map(({ call_id: id }) => id),
        ['i1', 'i2', 'i1', 'i4', 'i5', 'i6'],
      );
    });

    test('keeps texts, times, flags and JSON exactly as they were given', async () => {
      await addGroup(db, 'exact');
      const awkward = `{"quote":"'\\"","nul":"\\u0000","emoji":"🌊","line":"a\\nb"}`;
      const latest = 8_640_000_000_000_000; // the last time a Date can hold
      await addVersion(db, 'exact', 7, { metadata: awkward, created_at: latest, approval_note: null, batchable: 1 });
      const row = await db.selectFrom('model_versions').selectAll().where('group_key', '=', 'exact').executeTakeFirstOrThrow();
      assert.equal(row.metadata, awkward);
      assert.equal(row.created_at, latest);
      assert.equal(row.approval_note, null);
      assert.equal(row.batchable, 1);
      assert.equal(row.artifact_bytes, 2 ** 40);
    });

    test('inserts or changes in one step', async () => {
      const upsert = (generation: number) =>
        db
          .insertInto('endpoints')
          .values({ name_key: 'e', name: 'E', config: '{}', generation, desired: 'InService', created_at: 1, updated_at: generation })
          .onConflict((conflict) => conflict.column('name_key').doUpdateSet({ generation, updated_at: generation }))
          .returning(['generation', 'created_at'])
          .executeTakeFirstOrThrow();
      assert.deepEqual({ ...(await upsert(1)) }, { generation: 1, created_at: 1 });
      assert.deepEqual({ ...(await upsert(2)) }, { generation: 2, created_at: 1 });
    });

    test('numbers events upwards by itself', async () => {
      const seqs: number[] = [];
      for (const id of ['a', 'b', 'c']) {
        const event = { id, at: 1, kind: 'k', subject: 's', detail: '{}' };
        seqs.push((await db.insertInto('events').values(event).returning('seq').executeTakeFirstOrThrow()).seq);
      }
      assert.deepEqual(
        seqs,
        [...seqs].sort((a, b) => a - b),
      );
      assert.equal(new Set(seqs).size, 3);
      assert.equal(typeof seqs[0], 'number');
    });

    test('numbers decisions upwards, and takes them along when their endpoint goes', async () => {
      const endpoint = { config: '{}', generation: 1, desired: 'InService' as const, created_at: 1, updated_at: 1 };
      await db
        .insertInto('endpoints')
        .values({ name_key: 'decided', name: 'Decided', ...endpoint })
        .execute();
      const texts = { inputs: '{}', alternatives: '[]', chosen: '{}', reason: '', explanation: '', effect: null };
      const decide = (id: string, key: string) =>
        db
          .insertInto('decisions')
          .values({ id, at: 1, kind: 'batching', endpoint_key: key, endpoint: key, variant: 'v', trigger: 't', changes: 1, ...texts })
          .returning('seq')
          .executeTakeFirstOrThrow();
      const [first, second] = [await decide('a', 'decided'), await decide('b', 'decided')];
      assert(second.seq > first.seq);
      await assert.rejects(decide('a', 'decided'), isUniqueViolation);
      await assert.rejects(decide('c', 'nobody'), isForeignKeyViolation);
      await db.deleteFrom('endpoints').where('name_key', '=', 'decided').execute();
      assert.deepEqual(await db.selectFrom('decisions').selectAll().execute(), []);
    });

    test('keeps all of a transaction or nothing of it', async () => {
      const failed = inTransaction(db, async (tx) => {
        await addGroup(tx, 'half');
        throw new Error('after the first half');
      });
      await assert.rejects(failed, /after the first half/);
      assert.equal((await db.selectFrom('model_groups').selectAll().where('name_key', '=', 'half').execute()).length, 0);
      assert.equal(await inTransaction(db, async (tx) => addGroup(tx, 'whole').then(() => 'done')), 'done');
      assert.equal((await db.selectFrom('model_groups').selectAll().where('name_key', '=', 'whole').execute()).length, 1);
    });

    test('gives 50 concurrent registrations the versions 1 to 50, none twice', async () => {
      await addGroup(db, 'busy');
      const versions = await Promise.all(
        Array.from({ length: 50 }, () =>
          inTransaction(db, async (tx) => {
            const { next_version } = await tx
              .updateTable('model_groups')
              .set((column) => ({ next_version: column('next_version', '+', 1) }))
              .where('name_key', '=', 'busy')
              .returning('next_version')
              .executeTakeFirstOrThrow();
            await addVersion(tx, 'busy', next_version - 1);
            return next_version - 1;
          }),
        ),
      );
      assert.deepEqual(
        versions.sort((a, b) => a - b),
        Array.from({ length: 50 }, (_, index) => index + 1),
      );
    });

    test('stops at once what would wait for ever: the database itself used inside a transaction', async () => {
      await assert.rejects(
        inTransaction(db, async () => db.selectFrom('audit').selectAll().execute()),
        /use its `tx`/,
      );
      await assert.rejects(
        inTransaction(db, async () => inTransaction(db, async () => 1)),
        /use its `tx`/,
      );
      // What a transaction has started and left running is outside again once it has ended.
      let later: Promise<unknown> = Promise.resolve();
      const ended = Promise.withResolvers<void>();
      await inTransaction(db, async (tx) => {
        await tx.selectFrom('audit').selectAll().execute();
        later = ended.promise.then(() => db.selectFrom('audit').selectAll().execute());
      });
      ended.resolve();
      assert.deepEqual(await later, []);
    });
  });
}

async function addGroup(db: Database, key: string): Promise<void> {
  await db.insertInto('model_groups').values({ name_key: key, name: key, description: '', tags: '{}', created_at: 1 }).execute();
}

async function addVersion(db: Database, groupKey: string, version: number, changes: Partial<ModelVersionsTable> = {}): Promise<void> {
  const empty = { metadata: '{}', metrics: '{}', tags: '{}', signature: '{}', opsets: '{}', properties: '{}', notes: '[]', runtime: '{}' };
  await db
    .insertInto('model_versions')
    .values({
      group_key: groupKey,
      version,
      approval: 'PendingManualApproval',
      approval_changed_by: null,
      approval_changed_at: null,
      approval_note: null,
      description: '',
      ...empty,
      artifact_sha256: 'a'.repeat(64),
      artifact_bytes: 2 ** 40,
      source_sha256: 'b'.repeat(64),
      source_name: 'model.onnx',
      producer: 'test',
      batchable: 0,
      batchable_reason: '',
      created_by: 'anonymous',
      created_at: 1,
      ...changes,
    })
    .execute();
}
