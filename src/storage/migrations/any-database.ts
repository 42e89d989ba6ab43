/** Shared by the steps of `migrations.ts`. */
import type { CreateTableBuilder, Kysely } from 'kysely';
import type { Dialect } from '../tables.ts';

/** A migration runs on an older schema, so it must not use the current table types. */
export type AnyDatabase = Kysely<unknown>;

/** An auto-incrementing key. In SQLite only a column declared exactly `integer primary key autoincrement` is one. */
export function withSeq<Table extends string>(table: CreateTableBuilder<Table>, dialect: Dialect) {
  return dialect === 'sqlite'
    ? table.addColumn('seq', 'integer', (column) => column.primaryKey().autoIncrement())
    : table.addColumn('seq', 'bigint', (column) => column.primaryKey().generatedAlwaysAsIdentity());
}
