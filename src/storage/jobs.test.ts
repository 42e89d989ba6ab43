import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { sql } from 'kysely';
import { openPglite } from '../../test/pglite.ts';
import { startPostgres, whyNoPostgres } from '../../test/postgres-server.ts';
import { VirtualClock } from '../clock.ts';
import { openDatabase } from './database.ts';
import { Jobs, type TakenJob } from './jobs.ts';
import { jobsContract } from './jobs-contract.test.ts';

jobsContract('SQLite', () => openDatabase({ file: ':memory:', synchronous: 'NORMAL' }));

jobsContract('PGlite', openPglite);

describe('with a real PostgreSQL', { skip: whyNoPostgres() }, () => {
  let server: Awaited<ReturnType<typeof startPostgres>>;
  before(async () => {
    server = await startPostgres(await mkdtemp(join(tmpdir(), 'penstock-jobs-')));
  });
  after(async () => server?.stop());

  jobsContract('PostgreSQL', () => openDatabase({ url: server.url }));
});

test('those with a cause are counted and listed by indexes, however large what is to be done is', async (t) => {
  const { db, close } = await openDatabase({ file: ':memory:', synchronous: 'NORMAL' });
  t.after(close);
  const of = sql`from jobs where queue = 'q' and cause is not null`;
  for (const { query, index } of [
    {
      query: sql`select cause, state, (reason is null) as fresh ${of} limit 9`,
      index: 'COVERING INDEX jobs_by_cause (queue=? AND cause>?)',
    },
    { query: sql`select id ${of} order by created_at desc, id desc limit 9`, index: 'INDEX jobs_with_causes (queue=?)' },
    {
      query: sql`select id ${of} and cause = 'c' order by created_at desc, id desc limit 9`,
      index: 'COVERING INDEX jobs_by_cause (queue=? AND cause=?)',
    },
  ]) {
    const { rows } = await sql<{ detail: string }>`explain query plan ${query}`.execute(db);
    assert.deepEqual(
      rows.map(({ detail }) => detail),
      [`SEARCH jobs USING ${index}`],
    );
  }
});

test('whatever takers do and however they die, each job is done once', async () => {
  const { db, dialect, close } = await openDatabase({ file: ':memory:', synchronous: 'NORMAL' });
  const clock = new VirtualClock();
  const jobs = new Jobs({ db, dialect, clock });
  let round = 0;
  const step = fc.oneof(
    fc.record({ kind: fc.constant('take' as const), most: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ kind: fc.constantFrom('done' as const, 'retry' as const, 'extend' as const), which: fc.nat(9) }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(1500) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 6 }), async (steps, count) => {
      const queue = `round${round++}`;
      for (let i = 0; i < count; i++) await jobs.add(db, { queue, payload: i });
      const held: TakenJob[] = [];
      const done: unknown[] = [];
      for (const each of steps) {
        if (each.kind === 'take') held.push(...(await jobs.take(queue, each.most, 1000)));
        else if (each.kind === 'wait') clock.advance(each.ms);
        else {
          const job = held[each.which % Math.max(held.length, 1)];
          if (job === undefined) continue;
          if (each.kind === 'done' && (await jobs.done(db, job))) done.push(job.payload);
          if (each.kind === 'retry') await jobs.retry(job, 10);
          if (each.kind === 'extend') await jobs.extend([job], 500);
        }
      }
      for (let i = 0; i < 50; i++) {
        clock.advance(1000);
        for (const job of await jobs.take(queue, 10, 1000)) if (await jobs.done(db, job)) done.push(job.payload);
      }
      assert.deepEqual(
        done.map(Number).sort((a, b) => a - b),
        Array.from({ length: count }, (_, i) => i),
      );
    }),
    { numRuns: 50 },
  );
  await close();
});
