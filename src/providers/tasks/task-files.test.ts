/** Lists what a hostile task left. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { listTaskFiles } from './task-files.ts';

describe('the files of a task', () => {
  const base = mkdtempSync(join(tmpdir(), 'penstock-task-files-'));
  after(() => rmSync(base, { recursive: true, force: true }));
  const folderOf = (name: string, make: (path: string) => void): { base: string; path: string } => {
    mkdirSync(join(base, name));
    for (let at = 0; at < 500; at++) make(join(base, name, String(at)));
    return { base, path: name };
  };

  test('are at most as many as allowed, and more are reported', async () => {
    const { files, isTooMany } = await listTaskFiles(
      folderOf('files', (path) => writeFileSync(path, '')),
      10,
    );
    assert.deepEqual([files.length, isTooMany], [10, true]);
  });

  test('end where there are too many folders or links', async () => {
    for (const [name, make] of [
      ['folders', (path: string) => mkdirSync(path)],
      ['links', (path: string) => symlinkSync('/nowhere', path)],
    ] as const) {
      const { files, isTooMany } = await listTaskFiles(folderOf(name, make), 10);
      assert.deepEqual([name, files.length, isTooMany], [name, 0, true]);
    }
  });

  test('are all there if they are as many as allowed', async () => {
    const { files, isTooMany } = await listTaskFiles(
      folderOf('exact', (path) => writeFileSync(path, '')),
      500,
    );
    assert.deepEqual([files.length, isTooMany], [500, false]);
  });
});
