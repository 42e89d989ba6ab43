/** PostgreSQL by a pool of connections, for a cluster. */
import { PostgresDialect } from 'kysely';
import pg from 'pg';
import { messageOf, PlatformError } from '../errors.ts';

const connectionsMax = 10;
const connectTimeoutMs = 10_000;
const bigintOid = 20;

export interface PostgresPool {
  readonly dialect: PostgresDialect;
  readonly close: () => Promise<void>;
}

/** Connects once to see that it works. Throws `unavailable`, with the address but never the password. */
export async function openPostgres(url: string): Promise<PostgresPool> {
  const pool = new pg.Pool({
    connectionString: url,
    max: connectionsMax,
    connectionTimeoutMillis: connectTimeoutMs,
    application_name: 'penstock',
    types: {
      // Times and counters stay far below 2^53; by default they would come as strings.
      getTypeParser: (oid: number, format?: 'text' | 'binary') =>
        oid === bigintOid ? (text: string) => Number(text) : (pg.types.getTypeParser(oid, format) as (text: string) => unknown),
    },
  });
  // An idle connection that breaks is replaced on the next use; without a listener it would end the process.
  pool.on('error', () => undefined);
  try {
    (await pool.connect()).release();
  } catch (cause) {
    await pool.end();
    throw new PlatformError(
      'unavailable',
      `cannot connect to PostgreSQL at ${withoutPassword(url)}: ${messageOf(cause)}; check that it runs and that the database URL is right`,
      { cause },
    );
  }
  return { dialect: new PostgresDialect({ pool }), close: () => pool.end() };
}

function withoutPassword(url: string): string {
  try {
    const { protocol, username, host, pathname } = new URL(url);
    return `${protocol}//${username === '' ? '' : `${username}@`}${host}${pathname}`;
  } catch {
    return 'the given URL';
  }
}
