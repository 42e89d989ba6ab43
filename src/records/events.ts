/** Events of groups, versions, endpoints and other resources: stored in order and published to listeners. */
import { randomUUID } from 'node:crypto';
import { type Clock, repeat } from '../clock.ts';
import { type Database, type EventsTable, inTransaction, type Transaction } from '../storage/index.ts';
import type { EventKind } from './event-kinds.ts';

/** An event to be recorded, in the transaction of what it reports. */
export interface NewEvent {
  /** `endpoint.in-service`, `version.approved`: resource and what happened. */
  readonly kind: EventKind;
  /** Name of the resource: `digits`, `digits/3`. */
  readonly subject: string;
  /** Anything that JSON can hold. */
  readonly detail: unknown;
}

/** A stored event. Never changes. */
export interface PlatformEvent extends Omit<NewEvent, 'kind'> {
  /** Events of an older server can have other kinds. */
  readonly kind: string;
  /** Increases with each event: a reader resumes after the last one it has seen. */
  readonly seq: number;
  readonly id: string;
  /** Epoch milliseconds. */
  readonly atMs: number;
}

/** Filters; all of them must match. */
export interface EventQuery {
  /** Names of resources: any of these. */
  readonly subjects?: readonly string[] | undefined;
  /** Kinds: any of these. A word without a dot matches all kinds of that resource, `alarm` for `alarm.state-changed`. */
  readonly kinds?: readonly string[] | undefined;
}

/** A kind matches itself, and a prefix such as `endpoint` all kinds below it. */
export function matchesEventQuery({ kind, subject }: Pick<PlatformEvent, 'kind' | 'subject'>, { subjects, kinds }: EventQuery): boolean {
  if (subjects !== undefined && !subjects.includes(subject)) return false;
  return kinds === undefined || kinds.some((each) => kind === each || kind.startsWith(`${each}.`));
}

/** A page of events, newest first. */
export interface RecentEvents extends EventQuery {
  /** Only events with a lower `seq`. */
  readonly before?: number | undefined;
  /** Epoch milliseconds. */
  readonly untilMs?: number | undefined;
  readonly limit: number;
}

/** The same retention as for metrics per minute. */
const retentionMs = 90 * 86_400_000;
const eventsMax = 200_000;
const sweptAtOnce = 1000;
const sweepEveryMs = 3_600_000;

/** Publish after the commit only: a listener must not see what may be rolled back. */
export class Events {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #listeners = new Set<(event: PlatformEvent) => void>();

  constructor(db: Database, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
  }

  /**
   * Stores the event in the caller's transaction. Call `publish` after the commit. The sequence number comes from one row, locked until the
   * commit, so numbers follow commit order: a reader that has seen one number has seen all below it. Write to the audit first, or two
   * transactions can deadlock.
   */
  async record(tx: Transaction | Database, event: NewEvent): Promise<PlatformEvent> {
    return tx.isTransaction ? this.#append(tx, event) : inTransaction(tx, (own) => this.#append(own, event));
  }

  async #append(tx: Transaction | Database, event: NewEvent): Promise<PlatformEvent> {
    const id = randomUUID();
    const atMs = this.#clock.wallMs();
    const detail = JSON.stringify(event.detail ?? null);
    const head = await tx
      .updateTable('event_head')
      .set((row) => ({ seq: row('seq', '+', 1) }))
      .where('id', '=', 1)
      .returning('seq')
      .executeTakeFirstOrThrow();
    const seq = Number(head.seq);
    await tx.insertInto('events').values({ seq, id, at: atMs, kind: event.kind, subject: event.subject, detail }).execute();
    return { seq, id, atMs, ...event };
  }

  /** Notifies the listeners. */
  publish(event: PlatformEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  /** Records an event in its own transaction and publishes it. */
  async recordAndPublish(event: NewEvent): Promise<PlatformEvent> {
    const recorded = await this.record(this.#db, event);
    this.publish(recorded);
    return recorded;
  }

  /** Events after `seq`, oldest first. */
  async since(seq: number, limit: number): Promise<PlatformEvent[]> {
    const rows = await this.#db.selectFrom('events').selectAll().where('seq', '>', seq).orderBy('seq').limit(limit).execute();
    return rows.map(eventOf);
  }

  /** Events before `seq`, or the latest, newest first. */
  async recent({ subjects, ...page }: RecentEvents): Promise<PlatformEvent[]> {
    if (subjects === undefined) return this.#recentOf(page, null);
    // A query per subject reads only the end of its index; one query for all would sort all their events.
    const found = await Promise.all(subjects.map((subject) => this.#recentOf(page, subject)));
    const latest = found.flat().sort((a, b) => b.seq - a.seq);
    return latest.slice(0, page.limit);
  }

  async #recentOf({ before, kinds, untilMs, limit }: Omit<RecentEvents, 'subjects'>, subject: string | null): Promise<PlatformEvent[]> {
    let query = this.#db.selectFrom('events').selectAll().orderBy('seq', 'desc').limit(limit);
    if (before !== undefined) query = query.where('seq', '<', before);
    if (subject !== null) query = query.where('subject', '=', subject);
    if (kinds !== undefined) {
      const resources = kinds.filter((kind) => !kind.includes('.'));
      query = query.where((row) =>
        row.or([row('kind', 'in', kinds), ...resources.map((resource) => row('kind', 'like', `${resource}.%`))]),
      );
    }
    if (untilMs !== undefined) query = query.where('at', '<=', Math.floor(untilMs));
    return (await query.execute()).map(eventOf);
  }

  /** The last event of a kind for a name (case-insensitive) at or before `untilMs`; null if none is stored. */
  async lastOf(kind: string, name: string, untilMs: number): Promise<PlatformEvent | null> {
    const ofKind = this.#db.selectFrom('events').selectAll().where('kind', '=', kind).where('at', '<=', Math.floor(untilMs));
    const ofName = ofKind.where((row) => row(row.fn<string>('lower', ['subject']), '=', name.toLowerCase()));
    const row = await ofName.orderBy('seq', 'desc').limit(1).executeTakeFirst();
    return row === undefined ? null : eventOf(row);
  }

  /** Sequence number of the last event; 0 if there is none. */
  async lastSeq(): Promise<number> {
    const row = await this.#db.selectFrom('events').select('seq').orderBy('seq', 'desc').limit(1).executeTakeFirst();
    return row === undefined ? 0 : Number(row.seq);
  }

  /** Deletes events past their retention, and the oldest beyond the limit. */
  async sweep(): Promise<void> {
    const oldMs = this.#clock.wallMs() - retentionMs;
    const tooMany = (await this.lastSeq()) - eventsMax;
    for (;;) {
      const oldest = await this.#db.selectFrom('events').select(['seq', 'at']).orderBy('seq').limit(sweptAtOnce).execute();
      const retained = oldest.findIndex(({ seq, at }) => Number(at) >= oldMs && Number(seq) > tooMany);
      const last = retained === -1 ? oldest.at(-1) : oldest[retained - 1];
      if (last === undefined) return;
      await this.#db.deleteFrom('events').where('seq', '<=', last.seq).execute();
      if (retained !== -1) return;
    }
  }

  /** Sweeps once an hour. Returns a function that stops it. */
  startSweeping(onFailure: (error: unknown) => void): () => Promise<void> {
    return repeat(this.#clock, sweepEveryMs, () => this.sweep(), onFailure);
  }

  /** The listener must not throw. Returns a function that unsubscribes. */
  subscribe(listener: (event: PlatformEvent) => void): () => void {
    const own = (event: PlatformEvent): void => listener(event); // allows the same function to subscribe twice
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }
}

function eventOf({ seq, at, detail, ...row }: EventsTable): PlatformEvent {
  return { ...row, seq: Number(seq), atMs: at, detail: JSON.parse(detail) as unknown };
}
