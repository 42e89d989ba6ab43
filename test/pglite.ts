/** A PostgreSQL inside the process, empty: for tests of what must hold on both databases. */
import { PGlite } from '@electric-sql/pglite';
import { PGliteDialect } from 'kysely';
import { openDialect } from '../src/storage/database.ts';
import type { OpenDatabase } from '../src/storage/index.ts';

export function openPglite(): Promise<OpenDatabase> {
  const pglite = new PGlite();
  return openDialect(
    new PGliteDialect({ pglite }),
    'postgres',
    (run) => run(),
    () => pglite.close(),
  );
}
