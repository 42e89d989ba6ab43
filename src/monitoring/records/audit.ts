/**
 * Who did what to what, from where, and how it ended. Only ever added to: each record bears the hash of the one before it, so that one which
 * was changed, taken out or slipped in is found.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import { type AuditTable, type Database, firstIdAt, inTransaction, OrderedIds, type Transaction, timeOfId } from '../../storage/index.ts';
import type { Deed } from './deeds.ts';
import { callIdNow, noteRecorded, type Origin, originNow } from './origin.ts';

export interface AuditEntry {
  /** The key's id, or `anonymous`. */
  readonly who: string;
  /** A deed; where it was refused, also what is none here. */
  readonly action: string;
  readonly target: string;
  /** `ok` or an error code. */
  readonly outcome: string;
  /** Anything that JSON can hold; never a secret. */
  readonly detail: unknown;
}

/** What was done, or was to be done, by a name that is known here. */
export interface DeedEntry extends AuditEntry {
  readonly action: Deed;
}

export interface AuditRecord extends AuditEntry {
  readonly id: string;
  /** Epoch milliseconds. */
  readonly atMs: number;
  /** Null where the platform did it by itself. */
  readonly origin: Origin | null;
}

/** What one call did and was refused. */
export interface AuditCall {
  /** Its own, as long as it is kept: that of its first record. */
  readonly id: string;
  /** When that was made, epoch milliseconds: no earlier than the call before, also where the clock was set back. */
  readonly atMs: number;
  /** At least one, newest first. */
  readonly records: readonly AuditRecord[];
}

/** What is looked for; all of it where nothing is said. */
export interface AuditWish {
  readonly limit: number;
  /** The last `id` of the page before. */
  readonly before?: string | undefined;
  readonly who?: string | undefined;
  /** Any of several. */
  readonly action?: string | readonly string[] | undefined;
  readonly target?: string | undefined;
  /** Epoch milliseconds. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
}

export interface AuditVerdict {
  readonly records: number;
  /** Of the last record; kept elsewhere, it tells whether all of the chain was written anew. */
  readonly head: string;
  /** The first record that is not as it was written; null where all are. */
  readonly broken: { readonly id: string; readonly number: number; readonly why: string } | null;
}

const pageSize = 1000;

export class Audit {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #ids = new OrderedIds();

  constructor(db: Database, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
  }

  /** In the caller's transaction: the deed and its record stand or fall together. */
  async record(tx: Transaction | Database, entry: DeedEntry): Promise<void> {
    await (tx.isTransaction ? this.#append(tx, entry) : inTransaction(tx, (own) => this.#append(own, entry)));
    noteRecorded();
  }

  /** What was asked for and refused: it stands alone. See `Refusals`, which bounds how many there are. */
  async recordRefused(entry: AuditEntry): Promise<void> {
    return inTransaction(this.#db, (own) => this.#append(own, entry));
  }

  async #append(tx: Transaction | Database, entry: AuditEntry): Promise<void> {
    const at = this.#clock.wallMs();
    const { who, action, target, outcome } = entry;
    // Whoever changes this row first goes first: there is one chain, also between two servers.
    const kept = await tx
      .updateTable('audit_head')
      .set((row) => ({ number: row('number', '+', 1) }))
      .where('id', '=', 1)
      .returning(['number', 'hash'])
      .executeTakeFirst();
    const head = kept ?? (await startAnew(tx));
    const origin = originNow();
    const id = this.#ids.next(at);
    const row = {
      number: Number(head.number),
      id,
      at,
      who,
      action,
      target,
      outcome,
      detail: JSON.stringify(entry.detail ?? null),
      origin: origin === null ? null : JSON.stringify(origin),
    };
    const hash = hashOf(head.hash, row);
    await tx
      .insertInto('audit')
      .values({ ...row, call_id: callIdNow(id), hash })
      .execute();
    await tx.updateTable('audit_head').set({ hash }).where('id', '=', 1).execute();
  }

  /** Newest first; to read on, give the last `id` as `before`. */
  async list({ limit, before, who, action, target, fromMs, toMs }: AuditWish): Promise<AuditRecord[]> {
    let query = this.#db.selectFrom('audit').selectAll().orderBy('id', 'desc').limit(limit);
    if (before !== undefined) query = query.where('id', '<', before);
    if (who !== undefined) query = query.where('who', '=', who);
    if (action !== undefined) query = query.where('action', 'in', [action].flat());
    if (target !== undefined) query = query.where('target', '=', target);
    if (fromMs !== undefined) query = query.where('at', '>=', fromMs);
    if (toMs !== undefined) query = query.where('at', '<=', toMs);
    const rows = await query.execute();
    return rows.map(recordOf);
  }

  /**
   * Newest first, each once and whole, however calls ran beside each other; what is no call of AWS's stands for itself. Who, action and target are
   * looked for in all records of a call, the time is the call's. To read on, give the last `id` as `before`.
   */
  async calls({ limit, before, who, action, target, fromMs, toMs }: AuditWish): Promise<AuditCall[]> {
    let query = this.#db.selectFrom('audit').select('call_id').groupBy('call_id').orderBy('call_id', 'desc').limit(limit);
    if (before !== undefined) query = query.where('call_id', '<', before);
    if (who !== undefined) query = query.where('who', '=', who);
    if (action !== undefined) query = query.where('action', 'in', [action].flat());
    if (target !== undefined) query = query.where('target', '=', target);
    if (fromMs !== undefined) query = query.where('call_id', '>=', firstIdAt(Math.ceil(fromMs)));
    if (toMs !== undefined) query = query.where('call_id', '<', firstIdAt(Math.floor(toMs) + 1));
    const ids = (await query.execute()).map(({ call_id: id }) => id);
    if (ids.length === 0) return [];
    const rows = await this.#db.selectFrom('audit').selectAll().where('call_id', 'in', ids).orderBy('id', 'desc').execute();
    const byCall = Map.groupBy(rows, ({ call_id: id }) => id);
    return ids.map((id) => ({ id, atMs: timeOfId(id), records: (byCall.get(id) ?? []).map(recordOf) }));
  }

  /** Goes through all of it, a page at a time. `head` is the hash of a record that was told before: it must still be there. */
  async verify(known?: string): Promise<AuditVerdict> {
    let [hash, number] = ['', 0];
    let isKnown = known === undefined || known === '';
    for (;;) {
      const rows = await this.#db.selectFrom('audit').selectAll().where('number', '>', number).orderBy('number').limit(pageSize).execute();
      if (rows.length === 0) break;
      for (const row of rows) {
        const found = Number(row.number);
        const why = complaint(row, hash, number + 1, found);
        if (why !== null) return { records: number, head: hash, broken: { id: row.id, number: found, why } };
        [hash, number] = [row.hash, found];
        isKnown ||= hash === known;
      }
    }
    const head = await this.#db.selectFrom('audit_head').selectAll().where('id', '=', 1).executeTakeFirst();
    if (head === undefined) {
      return { records: number, head: hash, broken: { id: '', number: number + 1, why: 'the mark of the last record was taken out' } };
    }
    const isWhole = Number(head.number) === number && head.hash === hash;
    if (isWhole && isKnown) return { records: number, head: hash, broken: null };
    if (isWhole) {
      const anew = `no record has the hash ${String(known)}: all of the chain was written anew, or it is that of another server`;
      return { records: number, head: hash, broken: { id: '', number: 1, why: anew } };
    }
    const why = `the chain ends with record ${number}, but ${Number(head.number)} were written: the last ones are missing`;
    return { records: number, head: hash, broken: { id: '', number: number + 1, why } };
  }
}

type Chained = Omit<AuditTable, 'call_id' | 'hash'>;

/** Of everything the record says, and of the one before it. */
function hashOf(before: string, { number, id, at, who, action, target, outcome, detail, origin }: Chained): string {
  const said = JSON.stringify([before, Number(number), id, Number(at), who, action, target, outcome, detail, origin]);
  return createHash('sha256').update(said).digest('hex');
}

function complaint(row: AuditTable, before: string, expected: number, found: number): string | null {
  if (found !== expected) return `record ${expected} is missing`;
  return row.hash === hashOf(before, row) ? null : 'it says something else than when it was written';
}

function recordOf({ id, at, who, action, target, outcome, detail, origin }: AuditTable): AuditRecord {
  return {
    id,
    atMs: at,
    who,
    action,
    target,
    outcome,
    detail: JSON.parse(detail) as unknown,
    origin: origin === null ? null : (JSON.parse(origin) as Origin),
  };
}

/**
 * The mark of the last record was taken out: what is done goes on to be recorded, but the chain begins anew with a gap that `verify` finds.
 */
async function startAnew(tx: Transaction | Database): Promise<{ number: number; hash: string }> {
  const last = await tx.selectFrom('audit').select('number').orderBy('number', 'desc').limit(1).executeTakeFirst();
  const head = { number: Number(last?.number ?? 0) + 2, hash: '' };
  await tx
    .insertInto('audit_head')
    .values({ id: 1, ...head })
    .execute();
  return head;
}
