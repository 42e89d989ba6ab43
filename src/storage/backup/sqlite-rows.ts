/** Reads the rows of a backup of SQLite, for a restore into PostgreSQL. */
import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { asDiskError } from '../../data-directory/index.ts';

/** Bounds the memory, and the parameters of an insert. */
const rowsAtOnce = 200;

/** Each table is in one of the files. Yields nothing for a table that no file has: it came with a later version. */
export function* sqliteRows(files: readonly string[], table: string): Generator<Record<string, unknown>[]> {
  for (const file of files) {
    if (!existsSync(file)) continue;
    const sqlite = open(file);
    try {
      const found = sqlite.prepare("select 1 from sqlite_master where type = 'table' and name = ?").get(table);
      if (found === undefined) continue;
      let page: Record<string, unknown>[] = [];
      for (const row of sqlite.prepare(`select * from "${table}"`).iterate()) {
        page.push(
          Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value instanceof Uint8Array ? Buffer.from(value) : value])),
        );
        if (page.length < rowsAtOnce) continue;
        yield page;
        page = [];
      }
      if (page.length > 0) yield page;
      return;
    } finally {
      sqlite.close();
    }
  }
}

function open(file: string): DatabaseSync {
  try {
    return new DatabaseSync(file);
  } catch (error) {
    throw asDiskError(error, `open ${file}`);
  }
}
