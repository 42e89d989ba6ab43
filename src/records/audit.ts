/**
 * The audit log: caller, action, target, origin and outcome. Append-only: each record contains the hash of the previous one, so changed,
 * removed or inserted records are detected.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { type AuditTable, type Database, firstIdAt, inTransaction, OrderedIds, type Transaction, timeOfId } from '../storage/index.ts';
import type { AuditAction } from './audit-actions.ts';
import { currentCallId, currentOrigin, markRecorded, type Origin } from './origin.ts';

/** What is recorded of one action. */
export interface AuditEntry {
  /** The key's id, or `anonymous`. */
  readonly who: string;
  /** An `AuditAction`; of a rejected call possibly an unknown name. */
  readonly action: string;
  readonly target: string;
  /** `ok` or an error code. */
  readonly outcome: string;
  /** Anything that JSON can hold; never a secret. */
  readonly detail: unknown;
}

/** An entry whose action is known. */
export interface ActionEntry extends AuditEntry {
  readonly action: AuditAction;
}

/** An entry with what the audit adds to it. Never changes. */
export interface AuditRecord extends AuditEntry {
  readonly id: string;
  /** Epoch milliseconds. */
  readonly atMs: number;
  /** Null if the platform acted on its own. */
  readonly origin: Origin | null;
}

/** All records of one call. */
export interface AuditCall {
  /** The id of its first record. */
  readonly id: string;
  /** Time of the first record, epoch milliseconds: never before the previous call's, even if the clock is set back. */
  readonly atMs: number;
  /** At least one, newest first. */
  readonly records: readonly AuditRecord[];
}

/** Filters; all records by default. */
export interface AuditQuery {
  readonly limit: number;
  /** The last `id` of the page before. */
  readonly before?: string | undefined;
  readonly who?: string | undefined;
  /** A list matches any of its actions. */
  readonly action?: string | readonly string[] | undefined;
  readonly target?: string | undefined;
  /** Epoch milliseconds. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
}

/** The result of checking the chain of hashes. */
export interface AuditVerification {
  readonly records: number;
  /** Hash of the last record. Stored elsewhere, it detects that the whole chain was rewritten. */
  readonly head: string;
  /** The first invalid record; null if the chain is intact. */
  readonly broken: { readonly id: string; readonly number: number; readonly why: string } | null;
}

const pageSize = 1000;

/** Records of changes are written in the transaction of the change: neither exists without the other. */
export class Audit {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #ids = new OrderedIds();

  constructor(db: Database, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
  }

  /** Records an action in the caller's transaction: both commit or neither. */
  async record(tx: Transaction | Database, entry: ActionEntry): Promise<void> {
    await (tx.isTransaction ? this.#append(tx, entry) : inTransaction(tx, (own) => this.#append(own, entry)));
    markRecorded();
  }

  /** Records a rejected call in its own transaction. `RejectionAudit` bounds their number. */
  async recordRefused(entry: AuditEntry): Promise<void> {
    return inTransaction(this.#db, (own) => this.#append(own, entry));
  }

  async #append(tx: Transaction | Database, entry: AuditEntry): Promise<void> {
    const at = this.#clock.wallMs();
    const { who, action, target, outcome } = entry;
    // Updating this row serializes writers: there is one chain, even with two servers.
    const advanced = await tx
      .updateTable('audit_head')
      .set((row) => ({ number: row('number', '+', 1) }))
      .where('id', '=', 1)
      .returning(['number', 'hash'])
      .executeTakeFirst();
    const head = advanced ?? (await restartChain(tx));
    const origin = currentOrigin();
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
      .values({ ...row, call_id: currentCallId(id), hash })
      .execute();
    await tx.updateTable('audit_head').set({ hash }).where('id', '=', 1).execute();
  }

  /** Newest first. For the next page, pass the last `id` as `before`. */
  async list({ limit, before, who, action, target, fromMs, toMs }: AuditQuery): Promise<AuditRecord[]> {
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
   * Calls, newest first, each complete, even if calls ran concurrently. A record without an AWS call counts as one call. Filters match
   * any record of a call; times are the call's. For the next page, pass the last `id` as `before`.
   */
  async calls({ limit, before, who, action, target, fromMs, toMs }: AuditQuery): Promise<AuditCall[]> {
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

  /** Verifies the whole chain, page by page. `known`: the hash of an earlier record that must still exist. */
  async verify(known?: string): Promise<AuditVerification> {
    let [hash, number] = ['', 0];
    let isKnown = known === undefined || known === '';
    for (;;) {
      const rows = await this.#db.selectFrom('audit').selectAll().where('number', '>', number).orderBy('number').limit(pageSize).execute();
      if (rows.length === 0) break;
      for (const row of rows) {
        const found = Number(row.number);
        const why = problemOf(row, hash, number + 1, found);
        if (why !== null) return { records: number, head: hash, broken: { id: row.id, number: found, why } };
        [hash, number] = [row.hash, found];
        isKnown ||= hash === known;
      }
    }
    const head = await this.#db.selectFrom('audit_head').selectAll().where('id', '=', 1).executeTakeFirst();
    if (head === undefined) {
      return { records: number, head: hash, broken: { id: '', number: number + 1, why: 'the chain head was removed' } };
    }
    const isWhole = Number(head.number) === number && head.hash === hash;
    if (isWhole && isKnown) return { records: number, head: hash, broken: null };
    if (isWhole) {
      const why = `no record has the hash ${String(known)}: the whole chain was rewritten, or the hash belongs to another server`;
      return { records: number, head: hash, broken: { id: '', number: 1, why } };
    }
    const why = `the chain ends with record ${number}, but ${Number(head.number)} were written: the last records are missing`;
    return { records: number, head: hash, broken: { id: '', number: number + 1, why } };
  }
}

type Chained = Omit<AuditTable, 'call_id' | 'hash'>;

/** Hash over the record's content and the previous hash. */
function hashOf(before: string, { number, id, at, who, action, target, outcome, detail, origin }: Chained): string {
  const content = JSON.stringify([before, Number(number), id, Number(at), who, action, target, outcome, detail, origin]);
  return createHash('sha256').update(content).digest('hex');
}

function problemOf(row: AuditTable, before: string, expected: number, found: number): string | null {
  if (found !== expected) return `record ${expected} is missing`;
  return row.hash === hashOf(before, row) ? null : 'the record was changed after it was written';
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
    origin: origin === null ? null : originOf(origin),
  };
}

/** An earlier development version called the protocol `door`. Its text is part of the hash chain, so it is not rewritten. */
function originOf(text: string): Origin {
  const { door, ...origin } = JSON.parse(text) as Origin & { readonly door?: string };
  return door === undefined ? origin : { ...origin, protocol: door };
}

/** Used if the chain head was removed: recording continues with a new chain, after a gap in the numbers that `verify` detects. */
async function restartChain(tx: Transaction | Database): Promise<{ number: number; hash: string }> {
  const last = await tx.selectFrom('audit').select('number').orderBy('number', 'desc').limit(1).executeTakeFirst();
  const head = { number: Number(last?.number ?? 0) + 2, hash: '' };
  await tx
    .insertInto('audit_head')
    .values({ id: 1, ...head })
    .execute();
  return head;
}
