import assert from 'node:assert/strict';
import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openDatabase } from '../database.ts';
import { type CheckedFile, checkDatabaseFiles } from './quick-check.ts';

async function check(file: string): Promise<CheckedFile> {
  let end = async (): Promise<void> => undefined;
  const checked = await new Promise<CheckedFile>((resolve, reject) => {
    end = checkDatabaseFiles([file], { onChecked: resolve, onFailure: reject });
  });
  await end();
  return checked;
}

test('passes a good file during writes, and names a damaged one with its table', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'penstock-quick-check-'));
  try {
    const file = join(directory, 'state.db');
    const { db, close } = await openDatabase({ file, synchronous: 'NORMAL' });
    for (let i = 0; i < 300; i++) {
      const name = `group-${i}`;
      const row = { name_key: name, name, description: 'x'.repeat(400), tags: '{}', next_version: 1, created_at: 1 };
      await db.insertInto('model_groups').values(row).execute();
    }
    const good = await check(file);
    assert.deepEqual([good.problems, good.tables > 30], [[], true]);
    await close();
    const { size } = await stat(file);
    const handle = await open(file, 'r+');
    // All pages except the first few, which hold the schema.
    for (let at = Math.floor(size / 4096 / 2) * 4096; at < size; at += 4096) await handle.write(Buffer.alloc(64, 255), 0, 64, at);
    await handle.close();
    assert((await check(file)).problems.length > 0);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
