/** Who did what to what, and how it ended. Only ever added to. */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../clock.ts';
import type { Database, Transaction } from '../storage/index.ts';

export interface AuditEntry {
  /** The key's id, or `anonymous`. */
  readonly who: string;
  /** `CreateEndpoint`, `ApproveVersion`. */
  readonly action: string;
  readonly target: string;
  /** `ok` or an error code. */
  readonly outcome: string;
  /** Anything that JSON can hold; never a secret. */
  readonly detail: unknown;
}

export interface AuditRecord extends AuditEntry {
  readonly id: string;
  /** Epoch milliseconds. */
  readonly atMs: number;
}

export class Audit {
  readonly #db: Database;
  readonly #clock: Clock;
  #count = 0;

  constructor(db: Database, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
  }

  /** In the caller's transaction: the deed and its record stand or fall together. */
  async record(tx: Transaction | Database, entry: AuditEntry): Promise<void> {
    const at = this.#clock.wallMs();
    const { who, action, target, outcome } = entry;
    await tx
      .insertInto('audit')
      .values({ id: this.#nextId(at), at, who, action, target, outcome, detail: JSON.stringify(entry.detail ?? null) })
      .execute();
  }

  /** Newest first; to read on, give the last `id` as `before`. */
  async list(page: { readonly limit: number; readonly before?: string | undefined }): Promise<AuditRecord[]> {
    let query = this.#db.selectFrom('audit').selectAll().orderBy('id', 'desc').limit(page.limit);
    if (page.before !== undefined) query = query.where('id', '<', page.before);
    const rows = await query.execute();
    return rows.map(({ at, detail, ...row }) => ({ ...row, atMs: at, detail: JSON.parse(detail) as unknown }));
  }

  /** Ids sort by time, then by order of making. */
  #nextId(atMs: number): string {
    this.#count = (this.#count + 1) % 36 ** 4;
    const time = Math.floor(atMs).toString(36).padStart(9, '0');
    return `${time}${this.#count.toString(36).padStart(4, '0')}${randomBytes(4).toString('hex')}`;
  }
}
