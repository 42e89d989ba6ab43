/** The size of the scripts that a browser loads before the overview is shown. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { buildConsole, consoleDist as dist } from './console-build.ts';

const budgetBytes = 250_000;

function staticImports(file: string, visited = new Set<string>()): Set<string> {
  if (visited.has(file)) return visited;
  visited.add(file);
  for (const [, path = ''] of readFileSync(file, 'utf8').matchAll(/(?:\bfrom|\bimport)\s*["'](\.\/[^"']+\.js)["']/g)) {
    staticImports(join(dirname(file), path), visited);
  }
  return visited;
}

const gzipped = (file: string): number => gzipSync(readFileSync(file)).length;

test('the first view takes less than 250 KB of scripts over the wire', () => {
  buildConsole();
  const page = readFileSync(join(dist, 'index.html'), 'utf8');
  assert.doesNotMatch(page, /<script(?![^>]*\bsrc=)|\son\w+=|style=/, 'no inline scripts or styles: the CSP forbids them');
  const entries = [...page.matchAll(/(?:src|href)="\/([^"]+\.js)"/g)].map(([, path = '']) => join(dist, path));
  const overview = readFileSync(entries.find((path) => path.includes('index-')) ?? assert.fail(page), 'utf8').match(
    /overview-page-[\w-]+\.js/,
  )?.[0];
  assert(overview !== undefined, 'the overview is a separate chunk');
  const files = [...entries, join(dist, 'assets', overview)].reduce((visited, file) => staticImports(file, visited), new Set<string>());
  const bytes = [...files].reduce((sum, file) => sum + gzipped(file), 0);
  assert(bytes < budgetBytes, `${bytes} bytes in ${files.size} files`);
});
