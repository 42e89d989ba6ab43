/** An empty in-process PostgreSQL, for tests of both databases. */
import { PGlite } from '@electric-sql/pglite';
import { PGliteDialect } from 'kysely';
import { openDialect } from '../src/storage/database.ts';
import type { OpenDatabase } from '../src/storage/index.ts';

/** The files of a new cluster. PostgreSQL takes two seconds to make them, and a fifth of that to read them: each process makes them once. */
let newCluster: Promise<Blob> | null = null;

export async function openPglite(): Promise<OpenDatabase> {
  newCluster ??= filesOfNewCluster();
  const pglite = await PGlite.create({ loadDataDir: await newCluster });
  return openDialect(
    new PGliteDialect({ pglite }),
    'postgres',
    (run) => run(),
    () => pglite.close(),
  );
}

async function filesOfNewCluster(): Promise<Blob> {
  const pglite = await PGlite.create();
  try {
    return await pglite.dumpDataDir('none');
  } finally {
    await pglite.close();
  }
}
