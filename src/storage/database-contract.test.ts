/** The contract of every database. Each dialect's test calls this function. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { sql } from 'kysely';
import { inTransaction, isForeignKeyViolation, isUniqueViolation, type OpenDatabase } from './database.ts';
import { migrationsFor } from './migrations.ts';
import type { ModelVersionsTable } from './tables/registry.ts';
import type { Database } from './tables.ts';

/** `open` returns an empty database. `again` opens the same one a second time, if the dialect supports that. */
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

    test('has all tables after the migrations, and opening it again changes nothing', async () => {
      const retained = ['audit', 'events', 'decisions', 'hourly_costs'] as const;
      for (const table of ['model_groups', 'model_versions', 'profiles', 'endpoints', ...retained] as const) {
        assert.deepEqual(await db.selectFrom(table).selectAll().execute(), [], table);
      }
      if (again === undefined) return;
      await addGroup(db, 'kept');
      const second = await again();
      assert.equal((await second.db.selectFrom('model_groups').select('name').execute()).length, 1);
      await second.close();
    });

    test('renames members of documents that an earlier development version stored', async () => {
      const row = { name_key: 'old', name: 'old', state: 'Completed', created_at: 1, updated_at: 1 };
      const document = JSON.stringify({ order: { name: 'old', environment: { order: 'mine' } }, batchRows: null });
      await db
        .insertInto('transforms')
        .values({ ...row, document, started_at: null, ended_at: null, reason: null })
        .execute();
      await migrationsFor('state', dialect)['0045-renamed-members']?.up(db);
      const stored = await db.selectFrom('transforms').select('document').where('name_key', '=', 'old').executeTakeFirstOrThrow();
      assert.deepEqual(JSON.parse(stored.document), { spec: { name: 'old', environment: { order: 'mine' } }, batchRows: null });
      await db.deleteFrom('transforms').where('name_key', '=', 'old').execute();
    });

    test('rejects a duplicate key with a unique violation', async () => {
      await addGroup(db, 'twice');
      await assert.rejects(addGroup(db, 'twice'), (error) => isUniqueViolation(error) && !isForeignKeyViolation(error));
      await addVersion(db, 'twice', 1);
      await assert.rejects(addVersion(db, 'twice', 1), isUniqueViolation);
    });

    test('rejects a version without a group, and the deletion of a group with versions', async () => {
      await assert.rejects(addVersion(db, 'absent', 1), (error) => isForeignKeyViolation(error) && !isUniqueViolation(error));
      await addGroup(db, 'parent');
      await addVersion(db, 'parent', 1);
      await assert.rejects(db.deleteFrom('model_groups').where('name_key', '=', 'parent').execute(), isForeignKeyViolation);
    });

    test('deletes profiles with their version', async () => {
      await addGroup(db, 'profiled');
      await addVersion(db, 'profiled', 1);
      await db
        .insertInto('profiles')
        .values({ group_key: 'profiled', version: 1, executor: 'instance:local.1', profile: '{}', measured_at: 1 })
        .execute();
      await db.deleteFrom('model_versions').where('group_key', '=', 'profiled').execute();
      assert.equal((await db.selectFrom('profiles').selectAll().where('group_key', '=', 'profiled').execute()).length, 0);
    });

    test('assigns a lane to every delivery queued before lanes existed', async () => {
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

    test('assigns a cause to every delivery queued before causes existed', async () => {
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

    test('continues event numbers after the highest one that any event or reader has, even if that event was deleted', async () => {
      const step = migrationsFor('state', dialect)['0044-event-head'];
      const headOf = async (): Promise<number> => {
        await db.schema.dropTable('event_head').execute();
        if (dialect === 'postgres') await sql`alter table events alter column seq add generated by default as identity`.execute(db);
        await step?.up(db);
        return Number((await db.selectFrom('event_head').select('seq').executeTakeFirstOrThrow()).seq);
      };
      assert.equal(await headOf(), 0);
      await db.insertInto('events').values({ seq: 7, id: 'e', at: 1, kind: 'k', subject: 's', detail: '{}' }).execute();
      assert.equal(await headOf(), 7);
      await db.insertInto('cursors').values({ name: 'rules', seq: 9 }).execute();
      assert.equal(await headOf(), 9);
      for (const table of ['events', 'cursors'] as const) await db.deleteFrom(table).execute();
      assert.equal(await headOf(), dialect === 'sqlite' ? 7 : 0);
    });

    test('groups the audit records of one call that were written before the column existed', async () => {
      const of = (requestId: string, operation?: string): string => JSON.stringify({ protocol: 'aws', requestId, operation });
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

    test('stores texts, times, flags and JSON exactly', async () => {
      await addGroup(db, 'exact');
      const awkward = `{"quote":"'\\"","nul":"\\u0000","emoji":"🌊","line":"a\\nb"}`;
      const latest = 8_640_000_000_000_000; // The last time that a Date can hold.
      await addVersion(db, 'exact', 7, { metadata: awkward, created_at: latest, approval_note: null, batchable: 1 });
      const row = await db.selectFrom('model_versions').selectAll().where('group_key', '=', 'exact').executeTakeFirstOrThrow();
      assert.equal(row.metadata, awkward);
      assert.equal(row.created_at, latest);
      assert.equal(row.approval_note, null);
      assert.equal(row.batchable, 1);
      assert.equal(row.artifact_bytes, 2 ** 40);
    });

    test('inserts or updates in one statement', async () => {
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

    test('numbers decisions in order, and deletes them with their endpoint', async () => {
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
      await assert.rejects(decide('c', 'absent'), isForeignKeyViolation);
      await db.deleteFrom('endpoints').where('name_key', '=', 'decided').execute();
      assert.deepEqual(await db.selectFrom('decisions').selectAll().execute(), []);
    });

    test('commits all of a transaction or nothing', async () => {
      const failed = inTransaction(db, async (tx) => {
        await addGroup(tx, 'half');
        throw new Error('after the first half');
      });
      await assert.rejects(failed, /after the first half/);
      assert.equal((await db.selectFrom('model_groups').selectAll().where('name_key', '=', 'half').execute()).length, 0);
      assert.equal(await inTransaction(db, async (tx) => addGroup(tx, 'whole').then(() => 'done')), 'done');
      assert.equal((await db.selectFrom('model_groups').selectAll().where('name_key', '=', 'whole').execute()).length, 1);
    });

    test('assigns the versions 1 to 50 to 50 concurrent registrations without duplicates', async () => {
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

    test('throws instead of deadlocking if the database itself is used inside a transaction', async () => {
      await assert.rejects(
        inTransaction(db, async () => db.selectFrom('audit').selectAll().execute()),
        /use its `tx`/,
      );
      await assert.rejects(
        inTransaction(db, async () => inTransaction(db, async () => 1)),
        /use its `tx`/,
      );
      // Work that starts inside and outlives the transaction counts as outside once the transaction has ended.
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
