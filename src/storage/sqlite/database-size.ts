/** The size of a SQLite file. */
import { sql } from 'kysely';
import type { Database } from '../tables.ts';

/** Their sum is the size of the file: SQLite does not shrink it. */
export interface FileSize {
  readonly usedBytes: number;
  /** Free pages, which later writes reuse. */
  readonly freeBytes: number;
}

/** Size of the database file without its log. */
export async function sizeOfFile(db: Database): Promise<FileSize> {
  const { rows } = await sql<{ pages: number; free: number; bytes: number }>`
    select page_count as pages, freelist_count as free, page_size as bytes
    from pragma_page_count(), pragma_freelist_count(), pragma_page_size()`.execute(db);
  const { pages, free, bytes } = rows[0] ?? { pages: 0, free: 0, bytes: 0 };
  return { usedBytes: (pages - free) * bytes, freeBytes: free * bytes };
}
