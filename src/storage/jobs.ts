/**
 * Work that must be done once it was accepted, whatever is killed meanwhile: rows of the database, taken under a lease. Whoever took a job and is
 * not heard of until its lease ends has lost it: the next one gets it, and what the first one says then does not count any more.
 */
import { randomUUID } from 'node:crypto';
import { type Selectable, sql } from 'kysely';
import type { Clock } from '../clock.ts';
import { inTransaction } from './database.ts';
import { OrderedIds } from './ordered-ids.ts';
import { inSharedTransaction } from './shared-transactions.ts';
import type { JobsTable } from './tables/jobs.ts';
import type { Database, Dialect, Transaction } from './tables.ts';

export interface NewJob {
  /** Whose work it is: `webhook`, `async/digits`. */
  readonly queue: string;
  /** Anything that JSON can hold; large things lie in the object store, and here is where. */
  readonly payload: unknown;
  /** Given, it is the job's own; else one is made. A job of an id that is there already is refused by the key. */
  readonly id?: string;
  /** Not before then, epoch milliseconds; at once unless given. */
  readonly notBeforeMs?: number;
  /** Who has not been taken by then is no longer wanted: `expired` tells of it. Epoch milliseconds. */
  readonly expiresAtMs?: number;
  /** The higher goes first; 0 unless given. Among equals the older. */
  readonly priority?: number;
  /** Whom it has to do with, where those are to have their turns (`takeByLane`). */
  readonly lane?: string;
  /**
   * Those of one sequence are done in the order in which they were added, whatever their priority: `takeByLane` takes none before all added
   * earlier are done, or put aside. At most some hundred characters.
   */
  readonly sequence?: string | undefined;
  /** What it comes of, where they are listed and counted by that. */
  readonly cause?: string;
}

/** How many jobs of a lane may be taken. */
export interface LaneRoom {
  readonly perLane: number;
  /** Of a lane of which it is another number. */
  readonly room: ReadonlyMap<string, number>;
}

interface LaneRow {
  readonly id: string;
  readonly lane: string;
  readonly priority: number;
  readonly created_at: number;
}

/** Ids: of each lane as many as it has room for, the first of each before the second of any. */
function inTurn(rows: readonly LaneRow[], roomOf: (lane: string) => number): string[] {
  const ordered = rows.toSorted(
    (a, b) => Number(b.priority) - Number(a.priority) || Number(a.created_at) - Number(b.created_at) || (a.id < b.id ? -1 : 1),
  );
  const lanes = [...Map.groupBy(ordered, ({ lane }) => lane)].map(([lane, of]) => of.slice(0, roomOf(lane)));
  return Array.from({ length: Math.max(0, ...lanes.map(({ length }) => length)) }, (_, place) =>
    lanes.flatMap((of) => of[place]?.id ?? []),
  ).flat();
}

export interface Job {
  readonly id: string;
  readonly queue: string;
  readonly payload: unknown;
  /** How often it was taken, this time included. */
  readonly attempts: number;
  /** Epoch milliseconds. */
  readonly createdAtMs: number;
  readonly expiresAtMs: number | null;
}

/** A job that somebody works on. */
export interface TakenJob extends Job {
  readonly lease: string;
}

export interface DeadJob extends Job {
  readonly reason: string;
}

/** A job that is not done: with what its last try failed with, where that was said. */
export interface KeptJob extends Job {
  readonly state: 'open' | 'dead';
  readonly reason: string | null;
  /** When it may be taken next; of a dead one when it died. Epoch milliseconds. */
  readonly visibleAtMs: number;
}

/** Of the jobs of a queue those that come of the same. */
export interface CauseCount {
  readonly cause: string;
  readonly state: 'open' | 'dead';
  /** It was tried, and failed with a reason. */
  readonly hasFailed: boolean;
  readonly count: number;
}

export interface QueueState {
  /** That wait, or are worked on. */
  readonly backlog: number;
  readonly taken: number;
  readonly dead: number;
  /** Epoch milliseconds; null where nothing is open. */
  readonly oldestAtMs: number | null;
}

export interface JobsOptions {
  readonly db: Database;
  readonly dialect: Dialect;
  readonly clock: Clock;
}

type JobRow = Selectable<JobsTable>;

const reasonMax = 4096;
/** Of a statement: whoever else uses the database waits for one. */
const forgottenAtOnce = 500;

export class Jobs {
  readonly #options: JobsOptions;
  readonly #ids = new OrderedIds();
  readonly #listeners = new Map<string, Set<() => void>>();

  constructor(options: JobsOptions) {
    this.#options = options;
  }

  /** In the caller's transaction, with what makes the job necessary. Whoever waits for the queue is told by `announce`, once that is committed. */
  async add(tx: Transaction | Database, job: NewJob): Promise<string> {
    const nowMs = this.#options.clock.wallMs();
    const id = job.id ?? this.#ids.next(nowMs);
    await tx
      .insertInto('jobs')
      .values({
        id,
        queue: job.queue,
        lane: job.lane ?? null,
        sequence: job.sequence ?? null,
        cause: job.cause ?? null,
        payload: JSON.stringify(job.payload),
        priority: job.priority ?? 0,
        created_at: nowMs,
        visible_at: job.notBeforeMs ?? nowMs,
        expires_at: job.expiresAtMs ?? null,
        lease: null,
        attempts: 0,
        state: 'open',
        reason: null,
      })
      .execute();
    return id;
  }

  /** Tells whoever waits for the queue that there may be something. */
  announce(queue: string): void {
    for (const listener of this.#listeners.get(queue) ?? []) listener();
  }

  /** Told when something may have come. Jobs whose time comes later are not announced: look now and then, too. The answer ends it. */
  onAnnounced(queue: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(queue) ?? new Set();
    this.#listeners.set(queue, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  /** At most so many whose time has come, each for the taker alone until the lease ends. */
  async take(queue: string, most: number, leaseMs: number): Promise<TakenJob[]> {
    const { db, dialect, clock } = this.#options;
    const nowMs = clock.wallMs();
    return inSharedTransaction(db, async (tx) => {
      let query = tx
        .selectFrom('jobs')
        .select('id')
        .where('queue', '=', queue)
        .where('state', '=', 'open')
        .where('visible_at', '<=', nowMs)
        .where((row) => row.or([row('expires_at', 'is', null), row('expires_at', '>', nowMs)]))
        .orderBy('priority', 'desc')
        .orderBy('created_at')
        .orderBy('id')
        .limit(most);
      if (dialect === 'postgres') query = query.forUpdate().skipLocked();
      const ids = (await query.execute()).map(({ id }) => id);
      return lease(tx, ids, nowMs, leaseMs);
    });
  }

  /**
   * As `take`, of the jobs that have a lane, the lanes in turn: the first of each, then the second of each. What waits in a lane without
   * room holds up no other, and is not read: each lane is looked up in the index, and of it no more than are wanted and those before that are not due
   * or have one of their sequence before them.
   */
  async takeByLane(queue: string, most: number, leaseMs: number, { perLane, room }: LaneRoom): Promise<TakenJob[]> {
    const nowMs = this.#options.clock.wallMs();
    const roomOf = (lane: string): number => Math.min(perLane, room.get(lane) ?? perLane);
    const full = [...room.keys()].filter((lane) => roomOf(lane) <= 0);
    const open = sql`queue = ${queue} and state = 'open'`;
    return inSharedTransaction(this.#options.db, async (tx) => {
      const { rows } = await sql<LaneRow>`
        with recursive lanes (lane) as (
          select (select lane from jobs where ${open} and lane is not null order by lane limit 1)
          union all
          select (select lane from jobs where ${open} and lane > lanes.lane order by lane limit 1) from lanes where lanes.lane is not null
        )
        select jobs.id, jobs.lane, jobs.priority, jobs.created_at from lanes join jobs on jobs.id in (
          select id from jobs as due
          where ${open} and due.lane = lanes.lane and due.visible_at <= ${nowMs} and (due.expires_at is null or due.expires_at > ${nowMs})
            and not exists (select 1 from jobs as earlier where ${open} and earlier.sequence = due.sequence and earlier.id < due.id)
          order by due.priority desc, due.created_at, due.id limit ${perLane}
        )
        ${full.length === 0 ? sql`` : sql`where lanes.lane not in (${sql.join(full)})`}`.execute(tx);
      return lease(tx, inTurn(rows, roomOf).slice(0, most), nowMs, leaseMs);
    });
  }

  /** The work goes on: the leases end so much later. Answers with those that were lost already. */
  async extend(jobs: readonly TakenJob[], leaseMs: number): Promise<TakenJob[]> {
    const visible_at = this.#options.clock.wallMs() + leaseMs;
    return inTransaction(this.#options.db, async (tx) => {
      const lost: TakenJob[] = [];
      for (const [lease, under] of Map.groupBy(jobs, (job) => job.lease)) {
        const these = under.map(({ id }) => id);
        const update = tx.updateTable('jobs').set({ visible_at }).where('lease', '=', lease).where('id', 'in', these);
        const held = new Set((await update.returning('id').execute()).map(({ id }) => id));
        lost.push(...under.filter(({ id }) => !held.has(id)));
      }
      return lost;
    });
  }

  /** It is done: in the transaction that keeps its outcome, so that there is one. False where the lease was lost: then keep nothing. */
  async done(tx: Transaction | Database, { id, lease }: TakenJob): Promise<boolean> {
    const { numDeletedRows } = await tx.deleteFrom('jobs').where('id', '=', id).where('lease', '=', lease).executeTakeFirstOrThrow();
    return numDeletedRows > 0n;
  }

  /** It did not work, for a reason that may be told: another try, so much later. False where the lease was lost. */
  async retry({ id, lease }: TakenJob, afterMs: number, reason: string | null = null): Promise<boolean> {
    const { db, clock } = this.#options;
    const { numUpdatedRows } = await db
      .updateTable('jobs')
      .set({ lease: null, visible_at: clock.wallMs() + afterMs, reason: reason?.slice(0, reasonMax) ?? null })
      .where('id', '=', id)
      .where('lease', '=', lease)
      .executeTakeFirstOrThrow();
    return numUpdatedRows > 0n;
  }

  /** It will never work: put aside with the reason. False where the lease was lost. */
  async bury(tx: Transaction | Database, { id, lease }: TakenJob, reason: string): Promise<boolean> {
    const { numUpdatedRows } = await tx
      .updateTable('jobs')
      .set({ lease: null, state: 'dead', reason: reason.slice(0, reasonMax), visible_at: this.#options.clock.wallMs() })
      .where('id', '=', id)
      .where('lease', '=', lease)
      .executeTakeFirstOrThrow();
    return numUpdatedRows > 0n;
  }

  /** Takes a job away whoever has it; whoever works on it loses its lease. False where it is not there. */
  async cancel(tx: Transaction | Database, id: string): Promise<boolean> {
    const { numDeletedRows } = await tx.deleteFrom('jobs').where('id', '=', id).executeTakeFirstOrThrow();
    return numDeletedRows > 0n;
  }

  /**
   * A dead one may try again, as if it were new, until `expiresAtMs` where it may expire. False where it is not there, or not dead.
   */
  async revive(id: string, tx: Transaction | Database = this.#options.db, expiresAtMs: number | null = null): Promise<boolean> {
    const { numUpdatedRows } = await tx
      .updateTable('jobs')
      .set({ state: 'open', reason: null, attempts: 0, visible_at: this.#options.clock.wallMs(), expires_at: expiresAtMs })
      .where('id', '=', id)
      .where('state', '=', 'dead')
      .executeTakeFirstOrThrow();
    return numUpdatedRows > 0n;
  }

  /** Takes those whose time is over and that nobody works on: each for the taker alone, who says what becomes of them. */
  async expired(queue: string, most: number, leaseMs: number): Promise<TakenJob[]> {
    const { db, clock } = this.#options;
    const nowMs = clock.wallMs();
    const lease = randomUUID();
    return inTransaction(db, async (tx) => {
      const ids = await tx
        .selectFrom('jobs')
        .select('id')
        .where('queue', '=', queue)
        .where('state', '=', 'open')
        .where('expires_at', '<=', nowMs)
        .where('visible_at', '<=', nowMs)
        .orderBy('created_at')
        .limit(most)
        .execute();
      if (ids.length === 0) return [];
      const rows = await tx
        .updateTable('jobs')
        .set({ lease, visible_at: nowMs + leaseMs })
        .where(
          'id',
          'in',
          ids.map(({ id }) => id),
        )
        .where('visible_at', '<=', nowMs)
        .returningAll()
        .execute();
      return rows.map((row) => ({ ...jobOf(row), lease }));
    });
  }

  /** Open or dead; null where it is done, or never was. */
  async find(id: string): Promise<(Job & { readonly state: 'open' | 'dead'; readonly reason: string | null }) | null> {
    const row = await this.#options.db.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirst();
    return row === undefined ? null : { ...jobOf(row), state: row.state === 'dead' ? 'dead' : 'open', reason: row.reason };
  }

  /** Dead ones, the latest first. */
  async dead(queue: string, page: { readonly limit: number; readonly offset: number }): Promise<DeadJob[]> {
    const rows = await this.#options.db
      .selectFrom('jobs')
      .selectAll()
      .where('queue', '=', queue)
      .where('state', '=', 'dead')
      .orderBy('created_at', 'desc')
      .orderBy('id')
      .limit(page.limit)
      .offset(page.offset)
      .execute();
    return rows.map((row) => ({ ...jobOf(row), reason: row.reason ?? '' }));
  }

  /** Of those that have a cause open and dead ones, the latest first; only those of one where it is given. What is not on the page is not read. */
  async list(
    queue: string,
    { limit, offset, cause }: { readonly limit: number; readonly offset: number; readonly cause?: string | undefined },
  ): Promise<KeptJob[]> {
    const { db } = this.#options;
    const all = db.selectFrom('jobs').select('id').where('queue', '=', queue).where('cause', 'is not', null);
    const of = cause === undefined ? all : all.where('cause', '=', cause);
    const page = of.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).offset(offset);
    const rows = await db
      .selectFrom('jobs')
      .selectAll()
      .where('id', 'in', page)
      .orderBy('created_at', 'desc')
      .orderBy('id', 'desc')
      .execute();
    return rows.map((row) => ({
      ...jobOf(row),
      state: row.state === 'dead' ? 'dead' : 'open',
      reason: row.reason,
      visibleAtMs: Number(row.visible_at),
    }));
  }

  /** How those stand that come of the same. `most` jobs of the queue are looked at. */
  async countByCause(queue: string, most: number): Promise<CauseCount[]> {
    const { db } = this.#options;
    // As the index has it, so that no row is read.
    const isFresh = sql<boolean | number>`(reason is null)`;
    const some = db.selectFrom('jobs').select(['cause', 'state', isFresh.as('fresh')]);
    const rows = await db
      .selectFrom(some.where('queue', '=', queue).where('cause', 'is not', null).limit(most).as('looked_at'))
      .select((row) => ['cause', 'state', 'fresh', row.fn.countAll<number>().as('count')])
      .groupBy(['cause', 'state', 'fresh'])
      .execute();
    return rows.map(({ cause, state, fresh, count }) => ({
      cause: cause ?? '',
      state: state === 'dead' ? 'dead' : 'open',
      hasFailed: Number(fresh) === 0,
      count: Number(count),
    }));
  }

  /** Takes away those that have been dead for longer, and the first that died of what is more: how many. */
  async forgetDead(queue: string, { keptMs, most }: { readonly keptMs: number; readonly most: number }): Promise<number> {
    const { db, clock } = this.#options;
    let forgotten = 0;
    for (;;) {
      const dead = db.selectFrom('jobs').select('id').where('queue', '=', queue).where('state', '=', 'dead');
      const tooMany = dead.orderBy('visible_at', 'desc').orderBy('id', 'desc').offset(most).limit(forgottenAtOnce);
      const tooOld = dead.where('visible_at', '<', clock.wallMs() - keptMs).limit(forgottenAtOnce);
      const ids = [...(await tooOld.execute()), ...(await tooMany.execute())].map(({ id }) => id);
      if (ids.length === 0) return forgotten;
      // One that was revived meanwhile is not dead.
      const { numDeletedRows } = await db.deleteFrom('jobs').where('id', 'in', ids).where('state', '=', 'dead').executeTakeFirstOrThrow();
      forgotten += Number(numDeletedRows);
    }
  }

  async state(queue: string): Promise<QueueState> {
    const nowMs = this.#options.clock.wallMs();
    const rows = await this.#options.db
      .selectFrom('jobs')
      .select((row) => [
        'state',
        row.fn.countAll<number>().as('all'),
        row.fn.min('created_at').as('oldest'),
        row.fn
          .sum<number>(
            row
              .case()
              .when(row.and([row('lease', 'is not', null), row('visible_at', '>', nowMs)]))
              .then(1)
              .else(0)
              .end(),
          )
          .as('taken'),
      ])
      .where('queue', '=', queue)
      .groupBy('state')
      .execute();
    const open = rows.find(({ state }) => state === 'open');
    return {
      backlog: Number(open?.all ?? 0),
      taken: Number(open?.taken ?? 0),
      dead: Number(rows.find(({ state }) => state === 'dead')?.all ?? 0),
      oldestAtMs: open === undefined ? null : Number(open.oldest),
    };
  }
}

/** In the order of the ids; without those that somebody else took meanwhile. */
async function lease(tx: Transaction, ids: readonly string[], nowMs: number, leaseMs: number): Promise<TakenJob[]> {
  if (ids.length === 0) return [];
  const lease = randomUUID();
  const rows = await tx
    .updateTable('jobs')
    .set((row) => ({ lease, visible_at: nowMs + leaseMs, attempts: row('attempts', '+', 1) }))
    .where('id', 'in', ids)
    .where('visible_at', '<=', nowMs)
    .returningAll()
    .execute();
  const place = new Map(ids.map((id, i) => [id, i]));
  return rows.sort((a, b) => (place.get(a.id) as number) - (place.get(b.id) as number)).map((row) => ({ ...jobOf(row), lease }));
}

function jobOf(row: JobRow): Job {
  return {
    id: row.id,
    queue: row.queue,
    payload: JSON.parse(row.payload) as unknown,
    attempts: Number(row.attempts),
    createdAtMs: Number(row.created_at),
    expiresAtMs: row.expires_at === null ? null : Number(row.expires_at),
  };
}
