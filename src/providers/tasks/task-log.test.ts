import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import type { TaskLine } from './task.ts';
import { TaskLog } from './task-log.ts';
import { readTaskPage, taskOutputOf } from './task-output.ts';
import { taskFiles } from './task-plan.ts';

describe('the log of a task', () => {
  const root = mkdtempSync('/tmp/penstock-test-');
  after(() => rmSync(root, { recursive: true }));
  const newFolder = (): string => mkdtempSync(join(root, 'task-'));
  const logOf = (folder: string, bytesMax?: number): TaskLog => new TaskLog(join(folder, taskFiles.output), new VirtualClock(), bytesMax);
  const linesIn = (folder: string): readonly TaskLine[] =>
    readFileSync(join(folder, taskFiles.output), 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as TaskLine);

  test('holds each line with its stream, in the order of their ends', () => {
    const folder = newFolder();
    const log = logOf(folder);
    log.take('out', Buffer.from('a\nb'));
    log.take('err', Buffer.from('oops\n'));
    log.take('out', Buffer.from('c\nlast'));
    assert.equal(log.end(), true);
    log.close();
    assert.deepEqual(
      linesIn(folder).map(({ from, line }) => `${from} ${line}`),
      ['out a', 'err oops', 'out bc', 'out last'],
    );
  });

  test('drops what exceeds its size, and says so once', () => {
    const folder = newFolder();
    const log = logOf(folder, 4096);
    for (let i = 0; i < 1000; i++) log.take('out', Buffer.from(`line ${i}\n`));
    log.end();
    log.close();
    const lines = linesIn(folder);
    assert(lines.length > 50 && lines.length < 120, `${lines.length} lines`);
    assert.deepEqual(lines.filter(({ from }) => from === 'task').length, 1);
    assert.match(lines.at(-1)?.line ?? '', /exceeds 0 MiB: further lines are dropped/);
  });

  test('waits if the disk is full, and then holds every line once', () => {
    // On this device each write fails like on a full disk.
    const full = new TaskLog('/dev/full', new VirtualClock());
    assert.equal(full.take('out', Buffer.from('a\n')), false);
    assert.equal(full.isWaiting, true);
    assert.equal(full.flush(), false);
    full.close();
  });

  test('is read in whole lines from any offset, and in pieces that are bounded', async () => {
    const folder = newFolder();
    assert.deepEqual(taskOutputOf(await readTaskPage(folder, 0), 0), { lines: [], nextOffset: 0 });
    const log = logOf(folder);
    const long = 'x'.repeat(200_000);
    for (let i = 0; i < 50; i++) log.take('out', Buffer.from(`${i} ${long}\n`));
    log.close();
    appendFileSync(join(folder, taskFiles.output), '{"at":0,"from":"out","li');
    const seen: string[] = [];
    let pages = 0;
    for (let offset = 0; ; pages++) {
      const page = taskOutputOf(await readTaskPage(folder, offset), offset);
      if (page.nextOffset === offset) break;
      seen.push(...page.lines.map(({ line }) => line.split(' ')[0] as string));
      offset = page.nextOffset;
    }
    assert(pages > 3);
    assert.deepEqual(
      seen,
      Array.from({ length: 50 }, (_, i) => String(i)),
    );
  });

  test('is read if a line has the largest size in JSON', async () => {
    const folder = newFolder();
    const log = logOf(folder);
    log.take('out', Buffer.alloc(256 * 1024, 0x01));
    log.take('out', Buffer.from('\nnext\n'));
    log.close();
    const { lines } = taskOutputOf(await readTaskPage(folder, 0), 0);
    assert.deepEqual(
      lines.map(({ line }) => line.length),
      [256 * 1024, 4],
    );
  });
});
