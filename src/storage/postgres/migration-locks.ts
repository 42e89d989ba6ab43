/**
 * Locks of tables that a step of the migrations waits for. A statement that waits for a lock blocks all that come after it, also those that
 * only read, so a change of a table waits for a short time only, lets the others pass, and tries again.
 */
import { type Kysely, sql } from 'kysely';
import type { Clock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import type { Tables } from '../tables.ts';

/** How long a change of tables waits. Times in milliseconds. */
export interface LockPatience {
  /** For one lock; the others wait for as long. */
  readonly lockMs: number;
  readonly attempts: number;
  /** Between two attempts. */
  readonly pauseMs: number;
}

/** A minute and a half, in which the others are held up for half a minute at most, two seconds at a time. */
export const defaultLockPatience: LockPatience = { lockMs: 2000, attempts: 15, pauseMs: 4000 };

const lockNotAvailable = '55P03';
const namedMax = 3;

/**
 * Repeats `run` while it fails for lack of a lock. It is a transaction, so a failed attempt has changed nothing. Throws `unavailable` with the
 * sessions that hold locks.
 */
export async function withLockPatience(
  run: () => Promise<void>,
  { db, clock, patience }: { readonly db: Kysely<Tables>; readonly clock: Clock; readonly patience: LockPatience },
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      if (attempt < patience.attempts) {
        await new Promise<void>((resolve) => clock.after(patience.pauseMs, resolve));
        continue;
      }
      const holders = await describeHolders(db);
      throw new PlatformError(
        'unavailable',
        `the tables of the database could not be changed: ${attempt} times, a lock was not free within ${patience.lockMs / 1000} s. ${holders}`,
        { cause: error },
      );
    }
  }
}

function isLockTimeout(error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause) if ('code' in each && each.code === lockNotAvailable) return true;
  return false;
}

/** The oldest transactions with locks of tables, in this database. */
async function describeHolders(db: Kysely<Tables>): Promise<string> {
  const { rows } = await sql<{ pid: number; username: string | null; application: string | null; seconds: number; query: string | null }>`
    select pid, usename as username, application_name as application,
      extract(epoch from clock_timestamp() - xact_start)::int as seconds, left(query, 80) as query
    from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null
      and pid in (select pid from pg_locks where locktype = 'relation' and granted and relation >= 16384)
    order by xact_start limit ${namedMax}`.execute(db);
  if (rows.length === 0) return 'The session that held it has ended: start the server again';
  const named = rows.map(({ pid, username, application, seconds, query }) => {
    const name = [application, username].filter((part) => part !== null && part !== '').join(' of ');
    return `${pid} (${name === '' ? 'without a name' : name}, in a transaction for ${seconds} s: ${query ?? ''})`;
  });
  return `Locks are held by session ${named.join(', ')}. Let it finish, or end it with \`select pg_terminate_backend(${rows[0]?.pid})\`, and start the server again`;
}
