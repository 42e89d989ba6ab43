/** docs/papers.md states where each symbol of the papers is in the code: it must exist there. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..');
/** Files of the modules that compute them, by name. */
const sources = new Map(
  ['queueing', 'statistics', 'selection'].flatMap((module) => {
    const directory = join(root, 'src', module);
    return readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((file) => [basename(file), join(directory, file)] as const);
  }),
);
const page = readFileSync(join(root, 'docs/papers.md'), 'utf8');

interface Row {
  readonly symbol: string;
  readonly identifiers: readonly string[];
  readonly files: readonly string[];
}

function rowsOf(text: string): Row[] {
  const cells = text
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| symbol'))
    .map((line) => line.split('|').map((cell) => cell.trim()));
  const names = (cell: string | undefined): string[] => [...(cell ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name as string);
  return cells.map(([, symbol = '', , identifiers, files]) => ({ symbol, identifiers: names(identifiers), files: names(files) }));
}

/** Identifiers of a row that no file contains as a whole word. */
function missing({ identifiers, files }: Row): string[] {
  const texts = files.map((file) => {
    const path = sources.get(file);
    return path === undefined ? '' : readFileSync(path, 'utf8');
  });
  return identifiers.filter((identifier) => !texts.some((text) => new RegExp(`\\b${identifier}\\b`).test(text)));
}

test('every symbol of the papers exists in the code as stated in docs/papers.md', () => {
  const rows = rowsOf(page);
  assert(rows.length > 40, `${rows.length} rows`);
  for (const row of rows) {
    assert(row.identifiers.length > 0 && row.files.length > 0, `${row.symbol} names no identifier or no file`);
    assert.deepEqual(missing(row), [], `${row.symbol} in ${row.files.join(', ')}`);
  }
});

test('self-check: a missing name is found, even if it is part of another', () => {
  const [row] = rowsOf('| λ | a rate | `arrivalRatePerSecon` | `arrival-process.ts` |');
  assert(row !== undefined);
  assert.deepEqual(missing(row), ['arrivalRatePerSecon']);
});
