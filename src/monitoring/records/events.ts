/** What happened to groups, versions and endpoints: kept in order, and told to whoever listens. */
import { randomUUID } from 'node:crypto';
import { type Clock, repeat } from '../../clock.ts';
import type { Database, EventsTable, Transaction } from '../../storage/index.ts';
import type { EventKind } from './event-kinds.ts';

export interface NewEvent {
  /** `endpoint.in-service`, `version.approved`: thing and what became of it. */
  readonly kind: EventKind;
  /** What it happened to: `digits`, `digits/3`. */
  readonly subject: string;
  /** Anything that JSON can hold. */
  readonly detail: unknown;
}

export interface PlatformEvent extends Omit<NewEvent, 'kind'> {
  /** One of an older server may have another than is known now. */
  readonly kind: string;
  /** Rises with each event: who remembers the last one reads on from there. */
  readonly seq: number;
  readonly id: string;
  /** Epoch milliseconds. */
  readonly atMs: number;
}

/** Which events are meant: all of what is said must hold. */
export interface EventWish {
  /** What it happened to: one of these. */
  readonly subjects?: readonly string[] | undefined;
  /** What became of it: one of these. A word without a dot stands for all that begin with it, `alarm` for `alarm.state-changed`. */
  readonly kinds?: readonly string[] | undefined;
}

export function isWished({ kind, subject }: Pick<PlatformEvent, 'kind' | 'subject'>, { subjects, kinds }: EventWish): boolean {
  if (subjects !== undefined && !subjects.includes(subject)) return false;
  return kinds === undefined || kinds.some((each) => kind === each || kind.startsWith(`${each}.`));
}

export interface RecentEvents extends EventWish {
  /** A `seq`: only those that came earlier. */
  readonly before?: number | undefined;
  /** Epoch milliseconds. */
  readonly untilMs?: number | undefined;
  readonly limit: number;
}

/** As long as what was measured. */
const keptMs = 90 * 86_400_000;
const eventsMax = 200_000;
const sweptAtOnce = 1000;
const sweepEveryMs = 3_600_000;

export class Events {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #listeners = new Set<(event: PlatformEvent) => void>();

  constructor(db: Database, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
  }

  /** Keeps the event, in the caller's transaction. Tell the listeners by `publish` once that is committed. */
  async record(tx: Transaction | Database, event: NewEvent): Promise<PlatformEvent> {
    const id = randomUUID();
    const atMs = this.#clock.wallMs();
    const detail = JSON.stringify(event.detail ?? null);
    const { seq } = await tx
      .insertInto('events')
      .values({ id, at: atMs, kind: event.kind, subject: event.subject, detail })
      .returning('seq')
      .executeTakeFirstOrThrow();
    return { seq: Number(seq), id, atMs, ...event };
  }

  /** Tells the listeners. */
  publish(event: PlatformEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  /** For an event that stands alone. */
  async recordAndPublish(event: NewEvent): Promise<PlatformEvent> {
    const recorded = await this.record(this.#db, event);
    this.publish(recorded);
    return recorded;
  }

  /** The events after `seq`, oldest first. */
  async since(seq: number, limit: number): Promise<PlatformEvent[]> {
    const rows = await this.#db.selectFrom('events').selectAll().where('seq', '>', seq).orderBy('seq').limit(limit).execute();
    return rows.map(eventOf);
  }

  /** Those before `seq`, or the last ones, newest first. */
  async recent({ subjects, ...page }: RecentEvents): Promise<PlatformEvent[]> {
    if (subjects === undefined) return this.#recentOf(page, null);
    // One after the other each is found at the end of its index; together all that ever happened to them would be sorted.
    const found = await Promise.all(subjects.map((subject) => this.#recentOf(page, subject)));
    const latest = found.flat().sort((a, b) => b.seq - a.seq);
    return latest.slice(0, page.limit);
  }

  async #recentOf({ before, kinds, untilMs, limit }: Omit<RecentEvents, 'subjects'>, subject: string | null): Promise<PlatformEvent[]> {
    let query = this.#db.selectFrom('events').selectAll().orderBy('seq', 'desc').limit(limit);
    if (before !== undefined) query = query.where('seq', '<', before);
    if (subject !== null) query = query.where('subject', '=', subject);
    if (kinds !== undefined) {
      const things = kinds.filter((kind) => !kind.includes('.'));
      query = query.where((row) => row.or([row('kind', 'in', kinds), ...things.map((thing) => row('kind', 'like', `${thing}.%`))]));
    }
    if (untilMs !== undefined) query = query.where('at', '<=', Math.floor(untilMs));
    return (await query.execute()).map(eventOf);
  }

  /** The last of a kind that happened until then to what has the name, whatever the case of either; null where none is remembered. */
  async lastOf(kind: string, name: string, untilMs: number): Promise<PlatformEvent | null> {
    const ofKind = this.#db.selectFrom('events').selectAll().where('kind', '=', kind).where('at', '<=', Math.floor(untilMs));
    const ofName = ofKind.where((row) => row(row.fn<string>('lower', ['subject']), '=', name.toLowerCase()));
    const row = await ofName.orderBy('seq', 'desc').limit(1).executeTakeFirst();
    return row === undefined ? null : eventOf(row);
  }

  /** The number of the last event; 0 where there is none. */
  async lastSeq(): Promise<number> {
    const row = await this.#db.selectFrom('events').select('seq').orderBy('seq', 'desc').limit(1).executeTakeFirst();
    return row === undefined ? 0 : Number(row.seq);
  }

  /** Forgets what is too old, and the oldest of what is too much. */
  async sweep(): Promise<void> {
    const oldMs = this.#clock.wallMs() - keptMs;
    const tooMany = (await this.lastSeq()) - eventsMax;
    for (;;) {
      const oldest = await this.#db.selectFrom('events').select(['seq', 'at']).orderBy('seq').limit(sweptAtOnce).execute();
      const kept = oldest.findIndex(({ seq, at }) => Number(at) >= oldMs && Number(seq) > tooMany);
      const last = kept === -1 ? oldest.at(-1) : oldest[kept - 1];
      if (last === undefined) return;
      await this.#db.deleteFrom('events').where('seq', '<=', last.seq).execute();
      if (kept !== -1) return;
    }
  }

  /** Sweeps once an hour. The answer ends it. */
  keepSwept(onFailure: (error: unknown) => void): () => Promise<void> {
    return repeat(this.#clock, sweepEveryMs, () => this.sweep(), onFailure);
  }

  /** The listener must not throw. The answer ends it. */
  subscribe(listener: (event: PlatformEvent) => void): () => void {
    const own = (event: PlatformEvent): void => listener(event); // so that one function may listen twice
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }
}

type EventRow = Omit<EventsTable, 'seq'> & { readonly seq: number };

function eventOf({ seq, at, detail, ...row }: EventRow): PlatformEvent {
  return { ...row, seq: Number(seq), atMs: at, detail: JSON.parse(detail) as unknown };
}
