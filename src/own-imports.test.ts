import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { withOwnImports } from './own-imports.ts';

test('loads own files by name, and those of packages as Node does', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-imports-'));
  const own = join(folder, 'own');
  mkdirSync(own);
  mkdirSync(join(folder, 'node_modules/old'), { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  writeFileSync(join(own, 'a.ts'), "import { b } from './b.ts';\nimport old from 'old';\nexport const all: string[] = [b, old];\n");
  writeFileSync(join(own, 'b.ts'), "export const b: string = 'b';\n");
  writeFileSync(join(folder, 'node_modules/old/package.json'), '{"name":"old","main":"index.js"}');
  writeFileSync(join(folder, 'node_modules/old/index.js'), "module.exports = require('./part.js');\n");
  writeFileSync(join(folder, 'node_modules/old/part.js'), "module.exports = 'part';\n");
  try {
    const url = (name: string): string => pathToFileURL(join(own, name)).href;
    const { all } = await withOwnImports(url(''), () => import(url('a.ts')) as Promise<{ all: string[] }>);
    assert.deepEqual(all, ['b', 'part']);
    await assert.rejects(
      withOwnImports(url(''), () => import(url('missing.ts')) as Promise<unknown>),
      /missing\.ts/,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
