/** What the steps of `migrations.ts` have in common. */
import type { CreateTableBuilder, Kysely } from 'kysely';
import type { Dialect } from '../tables.ts';

/** A migration sees the tables of its own time, so it goes without the types of today's. */
export type AnyDatabase = Kysely<unknown>;

/** A key that counts up by itself: in SQLite only a column declared exactly `integer primary key autoincrement` does. */
export function withSeq<Table extends string>(table: CreateTableBuilder<Table>, dialect: Dialect) {
  return dialect === 'sqlite'
    ? table.addColumn('seq', 'integer', (column) => column.primaryKey().autoIncrement())
    : table.addColumn('seq', 'bigint', (column) => column.primaryKey().generatedAlwaysAsIdentity());
}
