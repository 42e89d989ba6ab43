import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openFileDatabase } from '../../test/empty-database.ts';
import { startPostgres, whyNoPostgres } from '../../test/postgres-server.ts';
import { SystemClock } from '../clock.ts';
import { inTransaction, type OpenDatabase, openDatabase } from '../storage/index.ts';
import { Audit } from './audit.ts';
import { Events } from './events.ts';

const writers = 8;
const perWriter = 60;

/** Each writer has its own connections, like a server. Every third event is in a slow transaction, every seventh in one that fails. */
async function followerMissesNothing(open: () => Promise<OpenDatabase>, { own }: { readonly own: boolean }): Promise<void> {
  const reader = await open();
  const opened = own ? await Promise.all(Array.from({ length: writers }, open)) : Array.from({ length: writers }, () => reader);
  const recorded = new Set<string>();
  let isWriting = true;
  const write = async ({ db }: OpenDatabase, writer: number): Promise<void> => {
    const events = new Events(db, new SystemClock());
    const audit = new Audit(db, new SystemClock());
    for (let i = 0; i < perWriter; i++) {
      const event = { kind: 'group.created', subject: `${writer}/${i}`, detail: {} } as const;
      if (i % 3 !== 0) {
        recorded.add((await events.record(db, event)).id);
        continue;
      }
      try {
        const { id } = await inTransaction(db, async (tx) => {
          await audit.record(tx, { who: 'w', action: 'CreateModelGroup', target: event.subject, outcome: 'ok', detail: {} });
          const made = await events.record(tx, event);
          await tx.selectFrom('events').select('id').where('seq', '=', made.seq).execute();
          if (i % 7 === 0) throw new Error('undone');
          return made;
        });
        recorded.add(id);
      } catch (error) {
        assert.match(String(error), /undone/);
      }
    }
  };
  const followed: number[] = [];
  const ids = new Set<string>();
  const follow = async (): Promise<void> => {
    const events = new Events(reader.db, new SystemClock());
    for (let isLast = false; ; ) {
      const batch = await events.since(followed.at(-1) ?? 0, 50);
      for (const { seq, id } of batch) {
        followed.push(seq);
        ids.add(id);
      }
      if (batch.length > 0) continue;
      if (isLast) return;
      isLast = !isWriting;
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await Promise.all([
    Promise.all(opened.map(write)).then(() => {
      isWriting = false;
    }),
    follow(),
  ]);
  assert.equal([...recorded].filter((id) => !ids.has(id)).length, 0, 'events that the follower missed');
  assert.equal(ids.size, recorded.size);
  assert.deepEqual(
    followed,
    Array.from(followed, (_, i) => i + 1),
    'in order and without gaps',
  );
  if (own) await Promise.all(opened.map(({ close }) => close()));
  await reader.close();
}

test(`a reader that follows sequence numbers misses no event of ${writers} writers, on PostgreSQL`, {
  skip: whyNoPostgres(),
}, async (t) => {
  const server = await startPostgres(await mkdtemp(join(tmpdir(), 'penstock-events-')));
  t.after(() => server.stop());
  await followerMissesNothing(() => openDatabase({ url: server.url }), { own: true });
});

test(`a reader that follows sequence numbers misses no event of ${writers} writers, on SQLite`, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'penstock-events-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  await followerMissesNothing(() => openFileDatabase(join(directory, 'state.db')), { own: false });
});
