import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { sql } from 'kysely';
import { openMemoryDatabase } from '../../test/empty-database.ts';
import { VirtualClock } from '../clock.ts';
import { inTransaction, type OpenDatabase } from '../storage/index.ts';
import type { EventKind } from './event-kinds.ts';
import { Events, matchesEventQuery, type PlatformEvent } from './events.ts';

const clock = new VirtualClock();
let opened: OpenDatabase;
before(async () => {
  opened = await openMemoryDatabase();
});
after(async () => opened.close());

test('returns events in order, from any point on', async () => {
  const events = new Events(opened.db, clock);
  assert.equal(await events.lastSeq(), 0);
  const recorded: PlatformEvent[] = [];
  for (let index = 0; index < 5; index++) {
    clock.advance(10);
    recorded.push(await events.record(opened.db, { kind: 'endpoint.changed', subject: 'digits', detail: { index } }));
  }
  assert.deepEqual(await events.since(0, 100), recorded);
  assert.deepEqual(await events.since(recorded[1]?.seq ?? 0, 2), recorded.slice(2, 4));
  assert.equal(await events.lastSeq(), recorded[4]?.seq);
  assert.equal(recorded[0]?.atMs, clock.wallMs() - 40);
});

test('finds the latest events of an endpoint without reading those of all others', async () => {
  const { rows } = await sql<{ detail: string }>`explain query plan
    select * from events where subject = 's' and (kind in ('a', 'b') or kind like 'c.%') and at <= 5 order by seq desc limit 1`.execute(
    opened.db,
  );
  assert.deepEqual(
    rows.map(({ detail }) => detail),
    ['SEARCH events USING INDEX events_of_subject (subject=?)'],
  );
  // Columns outside the index are read only for matching rows: events of other kinds cost little.
  const { rows: held } = await sql<{ name: string }>`select name from pragma_index_info('events_of_subject')`.execute(opened.db);
  assert.deepEqual(
    held.map(({ name }) => name),
    ['subject', 'seq', 'kind'],
  );
});

test('finds the last event of a kind and name case-insensitively, by the index of its kind', async (t) => {
  const { db, close } = await openMemoryDatabase();
  t.after(close);
  const events = new Events(db, clock);
  const tell = async (kind: EventKind, subject: string): Promise<number> => {
    clock.advance(10);
    return (await events.record(db, { kind, subject, detail: null })).atMs;
  };
  const firstMs = await tell('endpoint.deleted', 'digits');
  const secondMs = await tell('endpoint.deleted', 'Digits');
  await tell('endpoint.deleted', 'digits-rf');
  await tell('endpoint.failed', 'digits');
  const last = async (subject: string, untilMs: number) => (await events.lastOf('endpoint.deleted', subject, untilMs))?.atMs ?? null;
  assert.deepEqual([await last('DIGITS', clock.wallMs()), await last('digits', secondMs - 1)], [secondMs, firstMs]);
  assert.deepEqual([await last('digits', firstMs - 1), await last('other', clock.wallMs())], [null, null]);
  const { rows } = await sql<{ detail: string }>`explain query plan
    select * from events where kind = 'k' and lower(subject) = 's' and at <= 5 order by seq desc limit 1`.execute(db);
  assert.deepEqual(
    rows.map(({ detail }) => detail),
    ['SEARCH events USING INDEX events_of_kind (kind=?)'],
  );
});

test('filters stored events as it filters published ones', async () => {
  const { db, close } = await openMemoryDatabase();
  const events = new Events(db, clock);
  const all: PlatformEvent[] = [];
  for (const [kind, subject] of [
    ['endpoint.failed', 'digits'],
    ['endpoint.in-service', 'digits'],
    ['endpoints.counted' as EventKind, 'digits'],
    ['alarm.state-changed', 'penstock/digits/errors'],
    ['endpoint.failed', 'other'],
  ] as const)
    all.push(await events.record(db, { kind, subject, detail: null }));
  for (const { wish, found } of [
    { wish: {}, found: [1, 2, 3, 4, 5] },
    { wish: { subjects: ['digits', 'penstock/digits/errors'] }, found: [1, 2, 3, 4] },
    { wish: { kinds: ['endpoint'] }, found: [1, 2, 5] },
    { wish: { kinds: ['endpoint.failed', 'alarm'] }, found: [1, 4, 5] },
    { wish: { subjects: ['digits'], kinds: ['endpoint.failed'] }, found: [1] },
    { wish: { kinds: ['end', 'endpoint.'] }, found: [] },
  ]) {
    assert.deepEqual((await events.recent({ ...wish, limit: 9 })).map(({ seq }) => seq).toReversed(), found);
    assert.deepEqual(
      all.filter((event) => matchesEventQuery(event, wish)).map(({ seq }) => seq),
      found,
    );
  }
  await close();
});

test('deletes events older than 90 days and the oldest beyond 200,000, every hour', async () => {
  const { db, close } = await openMemoryDatabase();
  const own = new VirtualClock(1e12);
  const events = new Events(db, own);
  const kinds = async (): Promise<string[]> => (await events.recent({ limit: 5000 })).map(({ kind }) => kind);
  for (let i = 0; i < 2500; i++) await events.record(db, { kind: 'endpoint.creating', subject: 's', detail: null });
  own.advance(1000);
  await events.record(db, { kind: 'endpoint.in-service', subject: 's', detail: null });
  own.advance(90 * 86_400_000 - 1000);
  await events.sweep();
  assert.equal((await kinds()).length, 2501);
  const end = events.startSweeping((error) => assert.fail(String(error)));
  own.advance(1);
  own.advance(3_600_000);
  await end();
  assert.deepEqual(await kinds(), []);
  const last = await events.record(db, { kind: 'endpoint.changed', subject: 's', detail: null });
  const { id: _id, ...row } = await db.selectFrom('events').selectAll().executeTakeFirstOrThrow();
  await db
    .insertInto('events')
    .values({ ...row, id: 'far', seq: last.seq + 200_000 })
    .execute();
  await events.sweep();
  assert.equal(await events.lastSeq(), last.seq + 200_000);
  assert.equal((await kinds()).length, 1);
  await close();
});

test('notifies listeners until they unsubscribe', async () => {
  const events = new Events(opened.db, clock);
  const received: string[] = [];
  const listener = (event: PlatformEvent): void => void received.push(event.kind);
  const [endFirst, endSecond] = [events.subscribe(listener), events.subscribe(listener)];
  await events.recordAndPublish({ kind: 'group.created', subject: 's', detail: null });
  endFirst();
  await events.recordAndPublish({ kind: 'group.updated', subject: 's', detail: undefined });
  endSecond();
  await events.recordAndPublish({ kind: 'group.deleted', subject: 's', detail: [] });
  assert.deepEqual(received, ['group.created', 'group.created', 'group.updated']);
});

test('stores no event of a transaction that fails', async () => {
  const events = new Events(opened.db, clock);
  const before = await events.lastSeq();
  const failing = inTransaction(opened.db, async (tx) => {
    await events.record(tx, { kind: 'group.created', subject: 's', detail: {} });
    throw new Error('no');
  });
  await assert.rejects(failing);
  assert.deepEqual(await events.since(before, 10), []);
});
