/** Creates many versions directly in the database. Registering them one by one would take a quarter of an hour. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** Copies version 1 of each group until it has `perGroup` versions. No server may be running on the directory. */
export function multiplyVersions(dataDir: string, perGroup: number): void {
  const state = new DatabaseSync(join(dataDir, 'state.db'));
  state.exec('begin');
  for (const row of state.prepare('select * from model_versions where version = 1').all()) {
    const columns = Object.keys(row);
    const insert = state.prepare(`insert into model_versions (${columns.join(',')}) values (${columns.map(() => '?').join(',')})`);
    for (let version = 2; version <= perGroup; version++)
      insert.run(...columns.map((name) => (name === 'version' ? version : (row[name] ?? null))));
  }
  state.exec(`update model_groups set next_version = ${perGroup + 1}`);
  state.exec('commit');
  state.close();
}
