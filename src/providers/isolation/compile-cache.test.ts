import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { CompileCache } from './compile-cache.ts';

const namesIn = (folder: string): string[] => readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();

describe('the compiled code of the workers', () => {
  test('is made once for all data directories of a user, and other users are not trusted with it', async (t) => {
    const root = mkdtempSync(join(tmpdir(), 'penstock-compile-'));
    t.after(() => rmSync(root, { recursive: true }));
    const [shared, first, second, third] = ['shared', 'first', 'second', 'third'].map((name) => join(root, name)) as [
      string,
      string,
      string,
      string,
    ];
    mkdirSync(shared, { mode: 0o700 });
    await new CompileCache(first, null, shared).fill([]);
    assert(namesIn(first).length > 10, 'a process has filled it');
    const [build = '', ...others] = readdirSync(shared);
    assert.deepEqual([others, namesIn(join(shared, build))], [[], namesIn(first)]);

    writeFileSync(join(shared, build, 'taken'), '');
    const taking = new CompileCache(second, null, shared).fill([]);
    assert(namesIn(second).includes('taken'), 'it is there before the first worker starts');
    await taking;
    assert.deepEqual(namesIn(second), namesIn(join(shared, build)));

    const { nlink } = statSync(join(second, 'taken'));
    assert.equal(nlink, 2, 'its files are links, which cost a start a tenth of copies');

    chmodSync(join(shared, build), 0o777);
    await new CompileCache(third, null, shared).fill([]);
    assert.deepEqual(namesIn(third), namesIn(first), 'it has filled its own');
  });

  test('is readable by the workers of every server that has links to it, whatever their group, and never writable', async (t) => {
    const root = mkdtempSync(join(tmpdir(), 'penstock-compile-'));
    t.after(() => rmSync(root, { recursive: true }));
    const shared = join(root, 'shared');
    mkdirSync(shared, { mode: 0o700 });
    await new CompileCache(join(root, 'first'), null, shared).fill([]);
    const own = process.getgid?.() ?? 0;
    for (const name of ['second', 'third']) {
      const path = join(root, name);
      await new CompileCache(path, own, shared).fill([]);
      const files = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
      assert(files.length > 10);
      for (const file of files) assert.equal(statSync(join(file.parentPath, file.name)).mode & 0o077, 0o044, file.name);
      assert.equal(statSync(path).mode & 0o777, 0o750);
    }
  });
});
