/** Writes a file for a task. The disk of the machine must not run full: a volume can be larger, and a small gzip file unpacks to any size. */
import { constants } from 'node:fs';
import { chmod, copyFile, mkdir, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PlatformError } from '../../errors.ts';
import type { TaskInput } from './task.ts';

/** Bytes that are written between two checks of the free space. */
const freeStepBytes = 16 * 2 ** 20;

/**
 * `freeBytes`: beyond what the server needs. If the file system supports reflinks, files of the store are shared with the task, so large data
 * is not copied.
 */
export async function putTaskInput(target: string, input: TaskInput, freeBytes: () => number): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  if (input.kind === 'stream') return writeStream(target, input.content, freeBytes);
  const source = await input.file();
  await copyFile(source, target, constants.COPYFILE_FICLONE_FORCE).catch(async () => {
    checkFree(freeBytes(), (await stat(source)).size);
    await copyFile(source, target);
  });
  await chmod(target, 0o644);
}

async function writeStream(target: string, content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, freeBytes: () => number) {
  const file = await open(target, 'w', 0o644);
  try {
    let [bytes, checkedAt] = [0, 0];
    for await (const chunk of content) {
      bytes += chunk.length;
      if (bytes >= checkedAt) {
        checkedAt = bytes + freeStepBytes;
        checkFree(freeBytes(), freeStepBytes);
      }
      for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten;
    }
  } finally {
    await file.close();
  }
}

function checkFree(freeBytes: number, neededBytes: number): void {
  if (freeBytes >= neededBytes) return;
  throw new PlatformError('too_large', 'The data does not fit on the disk of the server: free space, or use less data.');
}
