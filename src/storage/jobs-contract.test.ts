/** The contract of job queues on every database. Each database's test calls this function. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { VirtualClock } from '../clock.ts';
import { inTransaction, type OpenDatabase } from './database.ts';
import type { LeasedJob } from './job.ts';
import { Jobs } from './jobs.ts';

export function jobsContract(name: string, open: () => Promise<OpenDatabase>): void {
  describe(`jobs on ${name}`, () => {
    let opened: OpenDatabase;
    let clock: VirtualClock;
    let jobs: Jobs;
    let queues = 0;
    before(async () => {
      opened = await open();
      clock = new VirtualClock(Date.UTC(2026, 10, 24));
      jobs = new Jobs({ db: opened.db, dialect: opened.dialect, clock, time: 'process' });
    });
    after(async () => opened.close());
    const queue = (): string => `q${queues++}`;
    const take = async (from: string, most = 10) => jobs.lease(from, most, 1000);

    test('are leased exclusively, by priority and then by age', async () => {
      const q = queue();
      for (const [payload, priority] of [
        ['a', 0],
        ['b', 5],
        ['c', 0],
      ] as const) {
        await jobs.add(opened.db, { queue: q, payload, priority });
        clock.advance(1);
      }
      const [first, rest] = [await take(q, 1), await take(q)];
      assert.deepEqual(
        [...first, ...rest].map(({ payload, attempts }) => [payload, attempts]),
        [
          ['b', 1],
          ['a', 1],
          ['c', 1],
        ],
      );
      assert.deepEqual(await take(q), []);
    });

    test('become available when their lease ends; later reports of the first worker are rejected', async () => {
      const q = queue();
      await jobs.add(opened.db, { queue: q, payload: null });
      const [lost] = (await take(q)) as [LeasedJob];
      clock.advance(999);
      assert.deepEqual(await jobs.extend([lost], 1000), []);
      clock.advance(999);
      assert.deepEqual(await take(q), []);
      clock.advance(1);
      const [again] = (await take(q)) as [LeasedJob];
      assert.deepEqual([again.id, again.attempts], [lost.id, 2]);
      assert.deepEqual(await jobs.extend([again, lost], 1000), [lost]);
      const late = [await jobs.done(opened.db, lost), await jobs.retry(lost, 0), await jobs.markDead(opened.db, lost, 'x')];
      assert.deepEqual(late, [false, false, false]);
      assert.equal(await jobs.done(opened.db, again), true);
      assert.equal(await jobs.find(again.id), null);
    });

    test('are listed and counted by cause, with the reason of their failure', async () => {
      const q = queue();
      for (const [rule, count] of [
        ['a', 3],
        ["it's", 1],
      ] as const)
        for (let i = 0; i < count; i++) {
          clock.advance(1);
          await jobs.add(opened.db, { queue: q, payload: { i }, cause: rule });
        }
      await jobs.add(opened.db, { queue: q, payload: { i: 9 } });
      const [first, second] = (await take(q, 2)) as [LeasedJob, LeasedJob];
      await jobs.retry(first, 5000, 'no response');
      await jobs.markDead(opened.db, second, 'gone');
      const listed = await jobs.list(q, { limit: 9, offset: 0, cause: 'a' });
      assert.deepEqual(
        listed.map(({ payload, state, reason, visibleAtMs }) => [
          (payload as { i: number }).i,
          state,
          reason,
          visibleAtMs - clock.wallMs(),
        ]),
        [
          [2, 'open', null, -1],
          [1, 'dead', 'gone', 0],
          [0, 'open', 'no response', 5000],
        ],
      );
      const all = await jobs.list(q, { limit: 2, offset: 1 });
      assert.deepEqual(
        all.map(({ payload }) => payload),
        [{ i: 2 }, { i: 1 }],
      );
      assert.equal((await jobs.list(q, { limit: 9, offset: 0, cause: "it's" })).length, 1);
      const counts = (await jobs.countByCause(q, 100)).map(
        ({ cause, state, hasFailed, count }) => `${cause} ${state} ${hasFailed} ${count}`,
      );
      assert.deepEqual(counts.sort(), ['a dead true 1', 'a open false 1', 'a open true 1', "it's open false 1"]);
      assert.equal(
        (await jobs.countByCause(q, 2)).reduce((sum, { count }) => sum + count, 0),
        2,
      );
    });

    test('are done atomically with their outcome', async () => {
      const q = queue();
      const id = await jobs.add(opened.db, { queue: q, payload: null });
      const [taken] = (await take(q)) as [LeasedJob];
      const failing = inTransaction(opened.db, async (tx) => {
        await jobs.done(tx, taken);
        throw new Error('the outcome could not be stored');
      });
      await assert.rejects(failing, /could not be stored/);
      assert.equal((await jobs.find(id))?.state, 'open');
    });

    test('wait until they are due, and after a failure for the given delay', async () => {
      const q = queue();
      await jobs.add(opened.db, { queue: q, payload: null, notBeforeMs: clock.wallMs() + 500 });
      assert.deepEqual(await take(q), []);
      clock.advance(500);
      const [taken] = (await take(q)) as [LeasedJob];
      await jobs.retry(taken, 300);
      assert.deepEqual(await take(q), []);
      clock.advance(300);
      assert.equal((await take(q))[0]?.attempts, 2);
    });

    test('that fail permanently are dead, with the reason, and can be revived', async () => {
      const q = queue();
      await jobs.add(opened.db, { queue: q, payload: 'poison' });
      await jobs.markDead(opened.db, ((await take(q)) as [LeasedJob])[0], 'it kills every worker');
      clock.advance(10_000);
      assert.deepEqual(await take(q), []);
      const [dead] = await jobs.dead(q, { limit: 10, offset: 0 });
      assert.deepEqual([dead?.payload, dead?.reason], ['poison', 'it kills every worker']);
      assert.equal(await jobs.revive(dead?.id ?? ''), true);
      assert.equal((await take(q))[0]?.attempts, 1);
      assert.equal(await jobs.revive(dead?.id ?? ''), false);
    });

    test('that expired are not leased but returned by expired()', async () => {
      const q = queue();
      const expiresAtMs = clock.wallMs() + 100;
      await jobs.add(opened.db, { queue: q, payload: 'works', expiresAtMs });
      const [working] = (await take(q)) as [LeasedJob];
      await jobs.add(opened.db, { queue: q, payload: 'waits', expiresAtMs });
      clock.advance(100);
      assert.deepEqual(await take(q), []);
      const expired = await jobs.expired(q, 10, 1000);
      assert.deepEqual(
        expired.map(({ payload }) => payload),
        ['waits'],
      );
      assert.equal(await jobs.done(opened.db, expired[0] as LeasedJob), true);
      assert.equal(await jobs.done(opened.db, working), true);
    });

    test('are counted with the time of the oldest', async () => {
      const q = queue();
      assert.deepEqual(await jobs.state(q), { backlog: 0, leased: 0, dead: 0, oldestAtMs: null });
      const oldestAtMs = clock.wallMs();
      for (let i = 0; i < 3; i++) {
        await jobs.add(opened.db, { queue: q, payload: i });
        clock.advance(10);
      }
      await take(q, 1);
      assert.deepEqual(await jobs.state(q), { backlog: 3, leased: 1, dead: 0, oldestAtMs });
    });

    test('of several partitions are leased round-robin, within the capacity of each', async () => {
      const q = queue();
      for (const [lane, payload] of [
        ['slow', 's1'],
        ['slow', 's2'],
        ['slow', 's3'],
        ['quick', 'q1'],
        ['quick', 'q2'],
        ['other', 'o1'],
      ] as const) {
        await jobs.add(opened.db, { queue: q, payload, lane });
        clock.advance(1);
      }
      await jobs.add(opened.db, { queue: q, payload: 'of no lane' });
      const takeTurns = async (most: number, room: readonly (readonly [string, number])[] = []) =>
        (await jobs.leaseByPartition(q, most, 1000, { perPartition: 2, capacity: new Map(room) })).map(({ payload }) => payload);
      assert.deepEqual(
        await takeTurns(2, [
          ['slow', 0],
          ['quick', 1],
        ]),
        ['q1', 'o1'],
      );
      assert.deepEqual(await takeTurns(2), ['s1', 'q2']);
      assert.deepEqual(await takeTurns(9, [['slow', 1]]), ['s2']);
      assert.deepEqual(await takeTurns(9, [['slow', 0]]), []);
      clock.advance(1000);
      assert.deepEqual(await takeTurns(9), ['s1', 'q1', 'o1', 's2', 'q2']);
    });

    test('of one sequence run one after the other; a pending retry delays those behind it and no others', async () => {
      const q = queue();
      const add = async (payload: string, sequence?: string, priority = 0) =>
        jobs.add(opened.db, { queue: q, payload, lane: 'l', priority, ...(sequence === undefined ? {} : { sequence }) });
      for (const [payload, sequence] of [
        ['a1', 'a'],
        ['a2', 'a'],
        ['b1', 'b'],
        ['of none', undefined],
        ['of none too', undefined],
      ] as const)
        await add(payload, sequence);
      await add('a3', 'a', 5); // Whatever its priority.
      const takeNext = async () => jobs.leaseByPartition(q, 9, 1000, { perPartition: 9, capacity: new Map() });
      const payloads = (taken: readonly LeasedJob[]) => taken.map(({ payload }) => payload);
      const first = await takeNext();
      assert.deepEqual(payloads(first), ['a1', 'b1', 'of none', 'of none too']);
      assert.deepEqual(await takeNext(), []);
      const [a1, ...others] = first as [LeasedJob, ...LeasedJob[]];
      await jobs.retry(a1, 5000);
      for (const job of others) await jobs.done(opened.db, job);
      await add('b2', 'b');
      assert.deepEqual(payloads(await takeNext()), ['b2']);
      clock.advance(5000);
      const [again] = (await takeNext()).filter(({ id }) => id === a1.id) as [LeasedJob];
      await jobs.markDead(opened.db, again, 'given up');
      const [a2] = (await takeNext()) as [LeasedJob];
      assert.equal(a2.payload, 'a2');
      await jobs.done(opened.db, a2);
      assert.deepEqual(payloads(await takeNext()), ['a3']);
    });

    test('that died long ago are deleted, and the oldest beyond the limit; the others remain', async () => {
      const q = queue();
      const bury = async (payload: string): Promise<void> => {
        await jobs.add(opened.db, { queue: q, payload });
        await jobs.markDead(opened.db, ((await take(q, 1)) as [LeasedJob])[0], 'it never works');
        clock.advance(1000);
      };
      for (const payload of ['long ago', 'a', 'b', 'c']) await bury(payload);
      await jobs.add(opened.db, { queue: q, payload: 'open' });
      const left = async () => (await jobs.dead(q, { limit: 10, offset: 0 })).map(({ payload }) => payload);
      assert.equal(await jobs.deleteDead(q, { keptMs: 3500, most: 10 }), 1);
      assert.deepEqual(await left(), ['c', 'b', 'a']);
      assert.equal(await jobs.deleteDead(q, { keptMs: 3500, most: 2 }), 1);
      assert.deepEqual(await left(), ['c', 'b']);
      assert.equal(await jobs.deleteDead(q, { keptMs: 3500, most: 2 }), 0);
      assert.equal((await jobs.state(q)).backlog, 1);
    });

    test('are announced to consumers, and can be cancelled while leased', async () => {
      const q = queue();
      let reported = 0;
      const end = jobs.onAnnounced(q, () => reported++);
      const id = await jobs.add(opened.db, { queue: q, payload: null });
      jobs.announce(q);
      end();
      jobs.announce(q);
      assert.equal(reported, 1);
      const [taken] = (await take(q)) as [LeasedJob];
      assert.equal(await jobs.cancel(opened.db, id), true);
      assert.equal(await jobs.done(opened.db, taken), false);
    });
  });
}
