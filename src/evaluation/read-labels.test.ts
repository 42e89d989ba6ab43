import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { sharedShare } from '../selection/index.ts';
import { labelsOf } from './read-labels.ts';

describe('fingerprints of the rows of a set', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'penstock-labels-'));
  });
  after(() => rmSync(directory, { recursive: true }));

  const rowsOf = async (text: string, format: 'csv' | 'jsonl', label = 'label'): Promise<Float64Array> => {
    const path = join(directory, 'set');
    writeFileSync(path, text);
    const { fingerprints } = await labelsOf({ path, format, label, metric: 'accuracy' });
    return new Float64Array(new Uint8Array(fingerprints).buffer);
  };
  const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
  const csv = (from: number, to: number) =>
    `a,b,label\n${numbers(from, to)
      .map((i) => `${i},${i / 2},${i % 3}`)
      .join('\n')}\n`;

  test('ascend, and are equal for equal rows, in any order, whatever their labels', async () => {
    const rows = await rowsOf(csv(0, 100), 'csv');
    assert.equal(rows.length, 100);
    assert(rows.every((row, i) => i === 0 || row >= (rows[i - 1] as number)));
    const backwards = `label,b,a\n${numbers(0, 100)
      .reverse()
      .map((i) => `${(i + 1) % 3},${i / 2},${i}`)
      .join('\n')}\n`;
    assert.equal(sharedShare(rows, await rowsOf(backwards, 'csv')), 1);
  });

  test('do not depend on how a number is written, nor on the format', async () => {
    const rows = await rowsOf(csv(0, 60), 'csv');
    const written = `a,b,label\n${numbers(0, 60)
      .map((i) => `${i}.0,${(i / 2).toFixed(3)},${i % 3}`)
      .join('\n')}\n`;
    const lines = numbers(0, 60)
      .map((i) => JSON.stringify({ label: i % 3, b: String(i / 2), a: i }))
      .join('\n');
    assert.deepEqual(await rowsOf(lines, 'jsonl'), rows);
    assert.deepEqual(await rowsOf(written, 'csv'), rows);
  });

  test('count the rows that two sets share', async () => {
    const shared = sharedShare(await rowsOf(csv(0, 100), 'csv'), await rowsOf(csv(75, 175), 'csv'));
    assert.equal(shared, 0.25);
    const renamed = csv(0, 100).replace('a,b', 'a,c');
    assert.equal(sharedShare(await rowsOf(renamed, 'csv'), await rowsOf(csv(0, 100), 'csv')), 0, 'other columns are other rows');
  });
});

describe('a file that is no set', () => {
  let path: string;
  before(() => {
    path = join(mkdtempSync(join(tmpdir(), 'penstock-labels-')), 'set');
  });
  after(() => rmSync(dirname(path), { recursive: true }));

  const refusal = async (text: string, format: 'csv' | 'jsonl'): Promise<string> => {
    writeFileSync(path, text);
    return await labelsOf({ path, format, label: 'y', metric: 'accuracy' }).then(
      () => 'accepted',
      ({ message }: Error) => message,
    );
  };

  test('has its rows counted before any is parsed', async () => {
    const tooMany = 'expected at most 100000 rows, got more: use a sample of them';
    assert.equal(await refusal(`x,y\nragged\n${'"1",2\n'.repeat(100_000)}`, 'csv'), tooMany);
    // The header is no row: the first row is what is wrong.
    assert.match(await refusal(`x,y\nragged\n${'1,2\n'.repeat(99_999)}`, 'csv'), /^line 2: it has 1 /);
  });
});
