/** Steps of `migrations.ts`: which programs may use the tables, see `schema-compat.ts`. */
import { sql } from 'kysely';
import type { AnyDatabase } from './any-database.ts';

/** One row: the highest step that a program must know, at first this one. */
export async function createSchemaCompat(db: AnyDatabase, table: string, step: number): Promise<void> {
  await db.schema
    .createTable(table)
    .addColumn('needed', 'integer', (column) => column.notNull())
    .execute();
  await sql`insert into ${sql.table(table)} (needed) values (${step})`.execute(db);
}
