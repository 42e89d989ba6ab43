import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileUseOf } from './file-use.ts';
import { removeTree } from './remove-tree.ts';

describe('the files of a model', () => {
  const root = mkdtempSync(join(tmpdir(), 'penstock-tree-'));
  after(() => rmSync(root, { recursive: true, force: true }));
  const folderOf = (name: string): string => {
    const folder = join(root, name);
    mkdirSync(join(folder, 'inner'), { recursive: true });
    return folder;
  };
  const limit = { bytes: 2 ** 40, files: 100_000 };
  const useOf = (folder: string, max = limit) => fileUseOf({ folders: [folder], sharedMemoryOf: null, processes: () => [] }, max);

  test('is measured and removed, but not what a link in it leads to', async () => {
    const folder = folderOf('links');
    writeFileSync(join(root, 'other'), Buffer.alloc(1024 ** 2));
    symlinkSync(join(root, 'other'), join(folder, 'link'));
    symlinkSync(root, join(folder, 'inner', 'above'));
    writeFileSync(join(folder, 'inner', 'file'), Buffer.alloc(64 * 1024));
    const { bytes, files } = await useOf(folder);
    assert(bytes >= 64 * 1024 && bytes < 512 * 1024, `${bytes} bytes`);
    assert.equal(files, 4);
    await removeTree(folder);
    assert.deepEqual(readdirSync(root), ['other']);
  });

  test('is measured up to the limit and removed even if there are many files', async () => {
    const folder = folderOf('many');
    for (let i = 0; i < 3_000; i++) writeFileSync(join(folder, 'inner', String(i)), '');
    assert.equal((await useOf(folder)).files, 3_001);
    assert((await useOf(folder, { bytes: 2 ** 40, files: 100 })).files < 300);
    await removeTree(folder);
    assert.equal(existsSync(folder), false);
  });

  test('counts as too much and is removed if it is nested deeper than a path can name', async () => {
    const folder = folderOf('deep');
    const nest =
      'import os, sys\nos.chdir(sys.argv[1])\nfor _ in range(60):\n    os.mkdir("x" * 200)\n    os.chdir("x" * 200)\nopen("hidden", "w").write("x" * 100000)';
    const { status, error } = spawnSync('python3', ['-c', nest, folder]);
    if (error !== undefined) return;
    assert.equal(status, 0);
    assert((await useOf(folder)).files > limit.files);
    await removeTree(folder);
    assert.equal(existsSync(folder), false);
  });

  test('counts a file with several names once, and an open file without a name too', async () => {
    const folder = folderOf('open');
    const write =
      'import os, sys\nfile = open("big", "wb")\nfile.write(b"x" * 4000000)\nfile.flush()\nos.remove("big")\nprint("written", flush=True)\nsys.stdin.read()';
    const { spawn } = await import('node:child_process');
    const child = spawn('python3', ['-c', write], { cwd: folder, stdio: ['pipe', 'pipe', 'ignore'] });
    try {
      const isThere = await new Promise<boolean>((resolve) => {
        child.once('error', () => resolve(false));
        child.stdout.once('data', () => resolve(true));
      });
      if (!isThere) return;
      const { bytes } = await fileUseOf({ folders: [folder], sharedMemoryOf: null, processes: () => [child.pid as number] }, limit);
      assert(bytes >= 4_000_000, `${bytes} bytes`);
    } finally {
      child.stdin.end();
    }
  });
});

test('a folder without permissions is removed by a server that is not root', { skip: process.getuid?.() !== 0 }, () => {
  const root = mkdtempSync(join(tmpdir(), 'penstock-tree-'));
  try {
    const script = `
      const { removeTree } = await import('${new URL('./remove-tree.ts', import.meta.url).href}');
      const { mkdirSync, writeFileSync, chmodSync, existsSync } = await import('node:fs');
      mkdirSync('f/inner', { recursive: true });
      writeFileSync('f/inner/file', '');
      chmodSync('f/inner', 0);
      await removeTree('f');
      process.exit(existsSync('f') ? 3 : 0);
    `;
    spawnSync('chown', ['65534', root]);
    const asOrdinaryUser = ['--reuid', '65534', '--clear-groups', process.execPath, '--input-type=module', '-e', script];
    const { status, stderr } = spawnSync('setpriv', asOrdinaryUser, { cwd: root, encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
