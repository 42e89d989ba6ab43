/** What nodes of a cluster use of PostgreSQL beside their rows: its clock, and a limit on transactions of a node that froze. */
import { type RawBuilder, sql } from 'kysely';
import type { Transaction } from './tables.ts';

/** Milliseconds since the epoch by the clock of PostgreSQL, plus an offset. Advances within a statement that waits for a row. */
export function databaseTime(offsetMs = 0): RawBuilder<number> {
  return sql`(extract(epoch from clock_timestamp()) * 1000)::bigint + ${Math.round(offsetMs)}::bigint`;
}

/**
 * PostgreSQL rolls the transaction back if its client sends nothing for this time. Without the limit a process that is stopped within a
 * transaction keeps its rows locked, so that no other node can take over.
 */
export async function limitIdleTime(tx: Transaction, idleMs: number): Promise<void> {
  await sql`select set_config('idle_in_transaction_session_timeout', ${String(Math.round(idleMs))}, true)`.execute(tx);
}
