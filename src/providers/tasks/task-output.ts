/** Reads the output of a task, from any offset. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { TaskLine, TaskOutput } from './task.ts';
import { taskFiles } from './task-plan.ts';

/** Parsing so much takes about 2 ms of the event loop. */
const pageBytes = 256 * 1024;
/** Holds at least one line: JSON takes up to six bytes for one of the 256 KiB of a line. */
const bytesMax = 2 * 1024 ** 2;
const newline = 0x0a;

/** Whole lines only: the last one may still be written. */
export async function readTaskOutput(folder: string, fromOffset: number): Promise<TaskOutput> {
  const nothing: TaskOutput = { lines: [], nextOffset: fromOffset };
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
      if (length === 0) continue;
      const lines = buffer
        .toString('utf8', 0, length - 1)
        .split('\n')
        .flatMap(lineOf);
      return { lines, nextOffset: fromOffset + length };
    }
    return nothing;
  } finally {
    await file.close();
  }
}

function lineOf(text: string): TaskLine[] {
  try {
    return [JSON.parse(text) as TaskLine];
  } catch {
    return []; // the offset was not that of a line
  }
}
