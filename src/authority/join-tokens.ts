/** Tokens with which hosts join. Only the hash of a secret is stored, and uses are counted by the database, once for all nodes. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { PlatformError } from '../errors.ts';
import { joinTokenText } from '../links/index.ts';
import { type Database, databaseTime, type Transaction } from '../storage/index.ts';

/** Limits of a token. */
export interface NewJoinToken {
  readonly ttlMs: number;
  readonly usesMax: number;
  /** The only host that may use it; it then takes the place of a host of this name. Null: any new host. */
  readonly host: string | null;
}

/** A token without its secret. Times are epoch milliseconds. */
export interface JoinTokenSummary {
  readonly id: string;
  readonly host: string | null;
  readonly uses: number;
  readonly usesMax: number;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

/** A token and its text, which is returned only once. */
export interface CreatedJoinToken extends JoinTokenSummary {
  readonly token: string;
}

/** Bounds the table. Those that expired are deleted first. */
const tokensMax = 1000;
/** What an unknown id is compared with, so that it takes the same time. */
const noHash = Buffer.alloc(32);

export class JoinTokens {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** `cluster`: where the token leads. Throws `wrong_state` if there are 1000 tokens. */
  async create(
    { ttlMs, usesMax, host }: NewJoinToken,
    cluster: { readonly authorities: readonly string[]; readonly nodes: readonly string[] },
  ): Promise<CreatedJoinToken> {
    const id = randomBytes(8).toString('hex');
    const secret = randomBytes(32).toString('base64url');
    const token = joinTokenText({ id, secret, ...cluster });
    await this.#db.deleteFrom('cluster_join_tokens').where('expires_at', '<=', databaseTime()).execute();
    const { count } = await this.#db
      .selectFrom('cluster_join_tokens')
      .select((row) => row.fn.countAll().as('count'))
      .executeTakeFirstOrThrow();
    if (Number(count) >= tokensMax) throw new PlatformError('wrong_state', `the cluster has ${tokensMax} join tokens: revoke some first`);
    const row = await this.#db
      .insertInto('cluster_join_tokens')
      .values({
        id,
        secret_hash: hashOf(secret).toString('hex'),
        host,
        uses_max: usesMax,
        uses: 0,
        created_at: databaseTime(),
        expires_at: databaseTime(ttlMs),
      })
      .returningAll()
      .executeTakeFirstOrThrow();
    return { ...summaryOf(row), token };
  }

  /** Tokens that can still be used, newest first. */
  async list(): Promise<JoinTokenSummary[]> {
    const rows = await this.#db
      .selectFrom('cluster_join_tokens')
      .selectAll()
      .where('expires_at', '>', databaseTime())
      .whereRef('uses', '<', 'uses_max')
      .orderBy('created_at', 'desc')
      .orderBy('id')
      .execute();
    return rows.map(summaryOf);
  }

  /** Throws `not_found`. Hosts that joined with it stay. */
  async revoke(id: string): Promise<void> {
    const { numDeletedRows } = await this.#db.deleteFrom('cluster_join_tokens').where('id', '=', id).executeTakeFirstOrThrow();
    if (numDeletedRows === 0n) throw new PlatformError('not_found', `no join token has the id ${id}: see penstock cluster token list`);
  }

  /**
   * Whether the token counts for the host, before anything costly is done with it. Throws `forbidden`, with the same message for each
   * reason.
   */
  async check(id: string, secret: string, host: string): Promise<void> {
    const row = await this.#db
      .selectFrom('cluster_join_tokens')
      .select(['secret_hash', 'host'])
      .where('id', '=', id)
      .where('expires_at', '>', databaseTime())
      .whereRef('uses', '<', 'uses_max')
      .executeTakeFirst();
    const isSame = timingSafeEqual(hashOf(secret), row === undefined ? noHash : Buffer.from(row.secret_hash, 'hex'));
    if (row === undefined || !isSame || (row.host !== null && row.host !== host)) throw refusedToken();
  }

  /** Counts one use, for a token that was checked. Resolves with whether it is for this host alone. Throws as `check`. */
  async use(tx: Transaction, id: string): Promise<boolean> {
    const row = await tx
      .updateTable('cluster_join_tokens')
      .set((columns) => ({ uses: columns('uses', '+', 1) }))
      .where('id', '=', id)
      .where('expires_at', '>', databaseTime())
      .whereRef('uses', '<', 'uses_max')
      .returning('host')
      .executeTakeFirst();
    if (row === undefined) throw refusedToken();
    return row.host !== null;
  }
}

function refusedToken(): PlatformError {
  return new PlatformError(
    'forbidden',
    'the join token is unknown, expired, used up, or for another host: create one with `penstock cluster token create`',
  );
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

function summaryOf(row: {
  readonly id: string;
  readonly host: string | null;
  readonly uses: number;
  readonly uses_max: number;
  readonly created_at: number;
  readonly expires_at: number;
}): JoinTokenSummary {
  const { id, host, uses, uses_max: usesMax } = row;
  return { id, host, uses, usesMax, createdAtMs: Number(row.created_at), expiresAtMs: Number(row.expires_at) };
}
