/** Entry point of the thread that checks database files table by table while they are in use. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../../errors.ts';
import type { CheckedFile } from './quick-check.ts';

assert(parentPort !== null, 'this file must run as a worker thread');
for (const file of workerData as readonly string[]) parentPort.postMessage(check(file));

function check(file: string): CheckedFile {
  const problems: string[] = [];
  let tables = 0;
  let sqlite: DatabaseSync | undefined;
  try {
    sqlite = new DatabaseSync(file, { readOnly: true, timeout: 5000 });
    const names = sqlite.prepare("select name from sqlite_master where type = 'table' order by name").all();
    for (const { name } of names) {
      const quoted = `"${String(name).replaceAll('"', '""')}"`;
      // One transaction per table: a long one would block checkpoints.
      for (const row of sqlite.prepare(`pragma quick_check(${quoted})`).all()) {
        const [found] = Object.values(row);
        if (found !== 'ok') problems.push(`table ${String(name)}: ${String(found)}`);
      }
      tables++;
    }
  } catch (error) {
    problems.push(messageOf(error));
  } finally {
    sqlite?.close();
  }
  return { file, tables, problems: problems.slice(0, 20) };
}
