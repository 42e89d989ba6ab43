/**
 * Returns the free pages of glibc's heaps to the system. glibc does that by itself only at the end of a heap. Its function for it,
 * `malloc_trim`, has no counterpart in Node.js, but SQLite calls any function of a library as the entry point of an extension: with the
 * address of the connection as the number of bytes to leave, which only the end of the main heap respects.
 */
import { DatabaseSync } from 'node:sqlite';
import { threadTask } from './thread-task.ts';

const library = 'libc.so.6';
const entryPoint = 'malloc_trim';
/** `malloc_trim` returns 1 if it has returned memory, which is SQLite's code of an error. */
const returned = /^error during initialization/;

/** Returns false if there is nothing to return, or another library than glibc. Takes about ten milliseconds of processor time for each 100 MiB. */
export function trimMemory(): boolean {
  const db = new DatabaseSync(':memory:', { allowExtension: true });
  try {
    db.loadExtension(library, entryPoint);
    return false;
  } catch (error) {
    return error instanceof Error && returned.test(error.message);
  } finally {
    db.close();
  }
}

/** In a thread, because heaps are locked while they are trimmed: the event loop waits for its own at most. */
export const trimMemoryTask = threadTask(import.meta.url, 'trimMemoryTask', trimMemory);
