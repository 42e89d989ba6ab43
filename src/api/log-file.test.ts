import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { SystemClock } from '../clock.ts';
import { followLines, lastLines } from './log-file.ts';

const all = (): boolean => true;

async function inDirectory(run: (path: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'penstock-log-file-'));
  try {
    await run(join(directory, 'x.log'));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('finds the last lines of a file of any size', () =>
  inDirectory(async (path) => {
    for (const count of [0, 1, 5, 3000]) {
      const lines = Array.from({ length: count }, (_, index) => `line ${index} ${'é'.repeat(index % 90)}`);
      writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
      for (const limit of [0, 1, 7, 2500]) {
        const tail = await lastLines(path, limit, all);
        assert.deepEqual(tail.lines, limit === 0 ? [] : lines.slice(-limit), `${limit} of ${count}`);
      }
    }
  }));

test('reads a line that is longer than a chunk, and only what is wanted', () =>
  inDirectory(async (path) => {
    const long = 'x'.repeat(200_000);
    writeFileSync(path, `first\n${long}\nlast\n`);
    assert.deepEqual((await lastLines(path, 2, all)).lines, [long, 'last']);
    assert.deepEqual((await lastLines(path, 1, (line) => line.startsWith('f'))).lines, ['first']);
  }));

test('a file that is not there has no lines', () =>
  inDirectory(async (path) => {
    assert.deepEqual(await lastLines(path, 5, all), { lines: [], endBytes: 0 });
  }));

test('follows a file that grows, is rotated, and comes only later', (context) =>
  inDirectory(async (path) => {
    const seen: string[] = [];
    const waiting: { line: string; resolve: () => void }[] = [];
    const comes = (line: string): Promise<void> =>
      new Promise((resolve) => {
        if (seen.includes(line)) resolve();
        else waiting.push({ line, resolve });
      });
    const stop = followLines(
      path,
      0,
      new SystemClock(),
      (line) => {
        seen.push(line);
        for (const { line: wanted, resolve } of waiting) if (wanted === line) resolve();
      },
      all,
    );
    context.after(stop);
    writeFileSync(path, 'one\ntw');
    await comes('one');
    appendFileSync(path, 'o\n');
    await comes('two');
    appendFileSync(path, 'three\n');
    renameSync(path, `${path}.1`);
    writeFileSync(path, 'four\n');
    await comes('four');
    assert.deepEqual(seen, ['one', 'two', 'three', 'four']);
  }));
