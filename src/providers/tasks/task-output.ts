/** Reads the output of a task, from any offset. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { taskLineBytesMax } from './line-splitter.ts';
import type { TaskLine, TaskOutput } from './task.ts';
import { taskFiles } from './task-plan.ts';

/** Parsing so much takes about 2 ms of the event loop. */
const pageBytes = 256 * 1024;
/** Holds at least one line: JSON takes up to six bytes for one of the 256 KiB of a line. */
const bytesMax = 2 * 1024 ** 2;
const newline = 0x0a;

/** Whole lines only: the last one may still be written. Empty if there are none from this offset on. */
export async function readTaskPage(folder: string, fromOffset: number): Promise<Buffer> {
  const nothing = Buffer.alloc(0);
  const file = await open(join(folder, taskFiles.output), 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (file === null) return nothing;
  try {
    const { size } = await file.stat();
    if (size <= fromOffset) return nothing;
    for (const limit of [pageBytes, bytesMax]) {
      const buffer = Buffer.allocUnsafe(Math.min(size - fromOffset, limit));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, fromOffset);
      const length = buffer.subarray(0, bytesRead).lastIndexOf(newline) + 1;
      if (length > 0) return buffer.subarray(0, length);
    }
    return nothing;
  } finally {
    await file.close();
  }
}

/** The lines of a page. It may come from another machine: what is no line is left out. */
export function taskOutputOf(page: Buffer, fromOffset: number): TaskOutput {
  if (page.length === 0) return { lines: [], nextOffset: fromOffset };
  const lines = page
    .toString('utf8', 0, page.length - 1)
    .split('\n')
    .flatMap(lineOf);
  return { lines, nextOffset: fromOffset + page.length };
}

function lineOf(text: string): TaskLine[] {
  try {
    const { at, from, line } = JSON.parse(text) as TaskLine;
    const isLine = Number.isFinite(at) && (from === 'out' || from === 'err' || from === 'task') && typeof line === 'string';
    return isLine ? [{ at, from, line: line.slice(0, taskLineBytesMax) }] : [];
  } catch {
    return []; // the offset was not that of a line
  }
}
