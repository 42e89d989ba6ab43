import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { sql } from 'kysely';
import { openMemoryDatabase } from '../../test/empty-database.ts';
import { openPglite } from '../../test/pglite.ts';
import { startPostgres, whyNoPostgres } from '../../test/postgres-server.ts';
import { VirtualClock } from '../clock.ts';
import { openDatabase } from './database.ts';
import type { LeasedJob } from './job.ts';
import { Jobs } from './jobs.ts';
import { jobsContract } from './jobs-contract.test.ts';

jobsContract('SQLite', openMemoryDatabase);

jobsContract('PGlite', openPglite);

describe('with a real PostgreSQL', { skip: whyNoPostgres() }, () => {
  let server: Awaited<ReturnType<typeof startPostgres>>;
  before(async () => {
    server = await startPostgres(await mkdtemp(join(tmpdir(), 'penstock-jobs-')));
  });
  after(async () => server?.stop());

  jobsContract('PostgreSQL', () => openDatabase({ url: server.url }));

  test('workers whose clocks are an hour apart agree on due times, leases and expiry', async (t) => {
    const url = await server.createDatabase('clocks');
    const { db, dialect, close } = await openDatabase({ url });
    t.after(close);
    const [early, late] = [-3_600_000, 3_600_000].map((aheadMs) => {
      const clock = new VirtualClock(Date.now() + aheadMs);
      return { clock, jobs: new Jobs({ db, dialect, clock }) };
    }) as [{ clock: VirtualClock; jobs: Jobs }, { clock: VirtualClock; jobs: Jobs }];
    await early.jobs.add(db, { queue: 'q', payload: 'work', lane: 'l', expiresAtMs: early.clock.wallMs() + 60_000 });
    await late.jobs.add(db, { queue: 'q', payload: 'later', lane: 'l', notBeforeMs: late.clock.wallMs() + 60_000 });
    await early.jobs.add(db, { queue: 'q', payload: 'expired', expiresAtMs: early.clock.wallMs() - 1 });
    const [taken] = (await early.jobs.lease('q', 9, 30_000)) as [LeasedJob];
    assert.equal(taken.payload, 'work');
    const lanes = { perPartition: 9, capacity: new Map<string, number>() };
    for (const { jobs } of [early, late]) {
      assert.deepEqual(await jobs.lease('q', 9, 30_000), []);
      assert.deepEqual(await jobs.leaseByPartition('q', 9, 30_000, lanes), []);
      const { leased: count, backlog } = await jobs.state('q');
      assert.deepEqual([count, backlog], [1, 3]);
    }
    assert.deepEqual(await late.jobs.extend([taken], 30_000), []);
    assert.deepEqual(
      (await late.jobs.expired('q', 9, 30_000)).map(({ payload }) => payload),
      ['expired'],
    );
    assert.deepEqual(await early.jobs.expired('q', 9, 30_000), []);
    assert.equal(await early.jobs.retry(taken, 0), true);
    const [again] = (await late.jobs.lease('q', 9, 0)) as [LeasedJob];
    assert.equal(again.id, taken.id);
    const [last] = (await early.jobs.lease('q', 9, 30_000)) as [LeasedJob];
    assert.equal(await late.jobs.done(db, again), false);
    assert.equal(await early.jobs.markDead(db, last, 'no'), true);
    assert.equal(await late.jobs.deleteDead('q', { keptMs: 60_000, most: 9 }), 0);
    assert.equal(await late.jobs.revive(last.id, db, late.clock.wallMs() + 60_000), true);
    assert.equal((await early.jobs.lease('q', 9, 30_000)).length, 1);
  });
});

test('jobs with a cause are counted and listed through indexes, however large their payload', async (t) => {
  const { db, close } = await openMemoryDatabase();
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

test('each job is done once, whatever workers do and however they die', async () => {
  const { db, dialect, close } = await openMemoryDatabase();
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
      const held: LeasedJob[] = [];
      const done: unknown[] = [];
      for (const each of steps) {
        if (each.kind === 'take') held.push(...(await jobs.lease(queue, each.most, 1000)));
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
        for (const job of await jobs.lease(queue, 10, 1000)) if (await jobs.done(db, job)) done.push(job.payload);
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
