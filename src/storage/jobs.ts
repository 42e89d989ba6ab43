/**
 * Durable work queues: rows of the database, processed under a lease. If a worker does not extend its lease before it ends, another worker
 * gets the job, and any later report of the first one is rejected.
 */
import { randomUUID } from 'node:crypto';
import { type RawBuilder, type Selectable, sql } from 'kysely';
import { inTransaction } from './database.ts';
import type { CauseCount, DeadJob, Job, JobsOptions, LeasedJob, NewJob, PartitionCapacity, PendingJob, QueueState } from './job.ts';
import { OrderedIds } from './ordered-ids.ts';
import { inSharedTransaction } from './shared-transactions.ts';
import type { JobsTable } from './tables/jobs.ts';
import type { Database, Transaction } from './tables.ts';

interface LaneRow {
  readonly id: string;
  readonly lane: string;
  readonly priority: number;
  readonly created_at: number;
}

/** Picks ids round-robin over the partitions, up to the capacity of each. */
function inTurn(rows: readonly LaneRow[], roomOf: (lane: string) => number): string[] {
  const ordered = rows.toSorted(
    (a, b) => Number(b.priority) - Number(a.priority) || Number(a.created_at) - Number(b.created_at) || (a.id < b.id ? -1 : 1),
  );
  const lanes = [...Map.groupBy(ordered, ({ lane }) => lane)].map(([lane, of]) => of.slice(0, roomOf(lane)));
  return Array.from({ length: Math.max(0, ...lanes.map(({ length }) => length)) }, (_, place) =>
    lanes.flatMap((of) => of[place]?.id ?? []),
  ).flat();
}

type JobRow = Selectable<JobsTable>;

const reasonMax = 4096;
/** Rows per statement, which bounds how long other users of the database wait. */
const forgottenAtOnce = 500;

/** Listeners are called for jobs that this process adds. */
export class Jobs {
  readonly #options: JobsOptions;
  readonly #ids = new OrderedIds();
  readonly #listeners = new Map<string, Set<() => void>>();

  constructor(options: JobsOptions) {
    this.#options = options;
  }

  /** Adds a job in the caller's transaction, together with the change that requires it. Call `announce` after the commit. */
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
        visible_at: this.#in((job.notBeforeMs ?? nowMs) - nowMs),
        expires_at: job.expiresAtMs === undefined ? null : this.#in(job.expiresAtMs - nowMs),
        lease: null,
        attempts: 0,
        /** Counts of a queue in one query. `leased` is a part of `backlog`. */
        state: 'open',
        reason: null,
      })
      .execute();
    return id;
  }

  /** Notifies the consumers of a queue that jobs may be available. */
  announce(queue: string): void {
    for (const listener of this.#listeners.get(queue) ?? []) listener();
  }

  /**
   * Calls the listener when jobs may be available. Jobs with a later due time are not announced, so consumers must also poll. Returns a
   * function that unsubscribes.
   */
  onAnnounced(queue: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(queue) ?? new Set();
    this.#listeners.set(queue, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  /** Leases up to `most` due jobs, each exclusively until its lease ends. */
  async lease(queue: string, most: number, leaseMs: number): Promise<LeasedJob[]> {
    const { db, dialect } = this.#options;
    return inSharedTransaction(db, async (tx) => {
      const now = this.#in(0);
      let query = tx
        .selectFrom('jobs')
        .select('id')
        .where('queue', '=', queue)
        .where('state', '=', 'open')
        .where('visible_at', '<=', now)
        .where((row) => row.or([row('expires_at', 'is', null), row('expires_at', '>', now)]))
        .orderBy('priority', 'desc')
        .orderBy('created_at')
        .orderBy('id')
        .limit(most);
      if (dialect === 'postgres') query = query.forUpdate().skipLocked();
      const ids = (await query.execute()).map(({ id }) => id);
      return this.#lease(tx, ids, leaseMs);
    });
  }

  /**
   * Like `lease`, but only for jobs with a partition, round-robin over the partitions. A partition without capacity does not delay others,
   * and its jobs are not read. For each partition, the query reads only the requested number of rows from the index, and rows before them
   * that are not due or wait for their sequence.
   */
  async leaseByPartition(
    queue: string,
    most: number,
    leaseMs: number,
    { perPartition, capacity }: PartitionCapacity,
  ): Promise<LeasedJob[]> {
    const roomOf = (lane: string): number => Math.min(perPartition, capacity.get(lane) ?? perPartition);
    const full = [...capacity.keys()].filter((lane) => roomOf(lane) <= 0);
    const open = sql`queue = ${queue} and state = 'open'`;
    return inSharedTransaction(this.#options.db, async (tx) => {
      const now = this.#in(0);
      const { rows } = await sql<LaneRow>`
        with recursive lanes (lane) as (
          select (select lane from jobs where ${open} and lane is not null order by lane limit 1)
          union all
          select (select lane from jobs where ${open} and lane > lanes.lane order by lane limit 1) from lanes where lanes.lane is not null
        )
        select jobs.id, jobs.lane, jobs.priority, jobs.created_at from lanes join jobs on jobs.id in (
          select id from jobs as due
          where ${open} and due.lane = lanes.lane and due.visible_at <= ${now} and (due.expires_at is null or due.expires_at > ${now})
            and not exists (select 1 from jobs as earlier where ${open} and earlier.sequence = due.sequence and earlier.id < due.id)
          order by due.priority desc, due.created_at, due.id limit ${perPartition}
        )
        ${full.length === 0 ? sql`` : sql`where lanes.lane not in (${sql.join(full)})`}`.execute(tx);
      return this.#lease(tx, inTurn(rows, roomOf).slice(0, most), leaseMs);
    });
  }

  /** Extends the leases of running jobs. Returns those whose lease was already lost. */
  async extend(jobs: readonly LeasedJob[], leaseMs: number): Promise<LeasedJob[]> {
    const visible_at = this.#in(leaseMs);
    return inTransaction(this.#options.db, async (tx) => {
      const lost: LeasedJob[] = [];
      for (const [lease, under] of Map.groupBy(jobs, (job) => job.lease)) {
        const these = under.map(({ id }) => id);
        const update = tx.updateTable('jobs').set({ visible_at }).where('lease', '=', lease).where('id', 'in', these);
        const held = new Set((await update.returning('id').execute()).map(({ id }) => id));
        lost.push(...under.filter(({ id }) => !held.has(id)));
      }
      return lost;
    });
  }

  /** Removes a finished job, in the transaction that stores its result. Returns false if the lease was lost: then roll back. */
  async done(tx: Transaction | Database, { id, lease }: LeasedJob): Promise<boolean> {
    const { numDeletedRows } = await tx.deleteFrom('jobs').where('id', '=', id).where('lease', '=', lease).executeTakeFirstOrThrow();
    return numDeletedRows > 0n;
  }

  /** Schedules another attempt after a temporary failure. Returns false if the lease was lost. */
  async retry({ id, lease }: LeasedJob, afterMs: number, reason: string | null = null): Promise<boolean> {
    const { numUpdatedRows } = await this.#options.db
      .updateTable('jobs')
      .set({ lease: null, visible_at: this.#in(afterMs), reason: reason?.slice(0, reasonMax) ?? null })
      .where('id', '=', id)
      .where('lease', '=', lease)
      .executeTakeFirstOrThrow();
    return numUpdatedRows > 0n;
  }

  /** Marks a job as permanently failed. Returns false if the lease was lost. */
  async markDead(tx: Transaction | Database, { id, lease }: LeasedJob, reason: string): Promise<boolean> {
    const { numUpdatedRows } = await tx
      .updateTable('jobs')
      .set({ lease: null, state: 'dead', reason: reason.slice(0, reasonMax), visible_at: this.#in(0) })
      .where('id', '=', id)
      .where('lease', '=', lease)
      .executeTakeFirstOrThrow();
    return numUpdatedRows > 0n;
  }

  /** Removes a job even if it is leased; its worker loses the lease. Returns false if it does not exist. */
  async cancel(tx: Transaction | Database, id: string): Promise<boolean> {
    const { numDeletedRows } = await tx.deleteFrom('jobs').where('id', '=', id).executeTakeFirstOrThrow();
    return numDeletedRows > 0n;
  }

  /** Reopens a dead job as if it were new, until `expiresAtMs`. Returns false if it does not exist or is not dead. */
  async revive(id: string, tx: Transaction | Database = this.#options.db, expiresAtMs: number | null = null): Promise<boolean> {
    const expires_at = expiresAtMs === null ? null : this.#in(expiresAtMs - this.#options.clock.wallMs());
    const { numUpdatedRows } = await tx
      .updateTable('jobs')
      .set({ state: 'open', reason: null, attempts: 0, visible_at: this.#in(0), expires_at })
      .where('id', '=', id)
      .where('state', '=', 'dead')
      .executeTakeFirstOrThrow();
    return numUpdatedRows > 0n;
  }

  /** Leases expired jobs that no worker holds. The caller decides what happens to them. */
  async expired(queue: string, most: number, leaseMs: number): Promise<LeasedJob[]> {
    const lease = randomUUID();
    return inTransaction(this.#options.db, async (tx) => {
      const now = this.#in(0);
      const ids = await tx
        .selectFrom('jobs')
        .select('id')
        .where('queue', '=', queue)
        .where('state', '=', 'open')
        .where('expires_at', '<=', now)
        .where('visible_at', '<=', now)
        .orderBy('created_at')
        .limit(most)
        .execute();
      if (ids.length === 0) return [];
      const rows = await tx
        .updateTable('jobs')
        .set({ lease, visible_at: this.#in(leaseMs) })
        .where(
          'id',
          'in',
          ids.map(({ id }) => id),
        )
        .where('visible_at', '<=', now)
        .returningAll()
        .execute();
      return rows.map((row) => ({ ...jobOf(row), lease }));
    });
  }

  /** An open or dead job; null if it is done or never existed. */
  async find(id: string): Promise<(Job & { readonly state: 'open' | 'dead'; readonly reason: string | null }) | null> {
    const row = await this.#options.db.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirst();
    return row === undefined ? null : { ...jobOf(row), state: row.state === 'dead' ? 'dead' : 'open', reason: row.reason };
  }

  /** Dead jobs, the latest first. */
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

  /** Open and dead jobs that have a cause, the latest first, optionally of one cause. Reads only the rows of the page. */
  async list(
    queue: string,
    { limit, offset, cause }: { readonly limit: number; readonly offset: number; readonly cause?: string | undefined },
  ): Promise<PendingJob[]> {
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

  /** Counts jobs by cause and state. Examines at most `most` jobs of the queue. */
  async countByCause(queue: string, most: number): Promise<CauseCount[]> {
    const { db } = this.#options;
    // Spelled as in the index, so that the query reads no rows.
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

  /** Deletes jobs that have been dead for longer than `keptMs`, and the oldest beyond `most`. Returns the number deleted. */
  async deleteDead(queue: string, { keptMs, most }: { readonly keptMs: number; readonly most: number }): Promise<number> {
    const { db } = this.#options;
    let forgotten = 0;
    for (;;) {
      const dead = db.selectFrom('jobs').select('id').where('queue', '=', queue).where('state', '=', 'dead');
      const tooMany = dead.orderBy('visible_at', 'desc').orderBy('id', 'desc').offset(most).limit(forgottenAtOnce);
      const tooOld = dead.where('visible_at', '<', this.#in(-keptMs)).limit(forgottenAtOnce);
      const ids = [...(await tooOld.execute()), ...(await tooMany.execute())].map(({ id }) => id);
      if (ids.length === 0) return forgotten;
      // A job revived in the meantime is not dead.
      const { numDeletedRows } = await db.deleteFrom('jobs').where('id', 'in', ids).where('state', '=', 'dead').executeTakeFirstOrThrow();
      forgotten += Number(numDeletedRows);
    }
  }

  async state(queue: string): Promise<QueueState> {
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
              .when(row.and([row('lease', 'is not', null), row('visible_at', '>', this.#in(0))]))
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
      leased: Number(open?.taken ?? 0),
      dead: Number(rows.find(({ state }) => state === 'dead')?.all ?? 0),
      oldestAtMs: open === undefined ? null : Number(open.oldest),
    };
  }

  /** In the order of the ids, skipping jobs that another transaction leased in the meantime. */
  async #lease(tx: Transaction, ids: readonly string[], leaseMs: number): Promise<LeasedJob[]> {
    if (ids.length === 0) return [];
    const lease = randomUUID();
    const rows = await tx
      .updateTable('jobs')
      .set((row) => ({ lease, visible_at: this.#in(leaseMs), attempts: row('attempts', '+', 1) }))
      .where('id', 'in', ids)
      .where('visible_at', '<=', this.#in(0))
      .returningAll()
      .execute();
    const place = new Map(ids.map((id, i) => [id, i]));
    return rows.sort((a, b) => (place.get(a.id) as number) - (place.get(b.id) as number)).map((row) => ({ ...jobOf(row), lease }));
  }

  /**
   * The time `ms` milliseconds from now, by the configured clock. Processes that share a database may have different clocks, and one whose
   * clock is fast would steal leased jobs. `statement_timestamp` advances within a transaction and, unlike `clock_timestamp`, can use an
   * index.
   */
  #in(ms: number): RawBuilder<number> {
    const { clock, dialect, time = dialect === 'postgres' ? 'database' : 'process' } = this.#options;
    if (time === 'process') return sql`${clock.wallMs() + ms}`;
    return sql`(extract(epoch from statement_timestamp()) * 1000)::bigint + ${Math.round(ms)}::bigint`;
  }
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
