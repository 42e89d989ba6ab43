/** Writes small files atomically: configuration, keys, the note of the lock. */
import { randomUUID } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { asDiskError } from './disk-errors.ts';

/**
 * Replaces the content of a file. A reader sees either the old or the new text, also after a kill -9 or a power loss. `mode` applies from
 * the first byte on: a secret is never readable by others. Throws `unavailable`.
 */
export function writeFileAtomically(path: string, text: string, options: { readonly mode: number }): void {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const file = openSync(temporary, 'wx', options.mode);
    try {
      writeFileSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
    syncDirectory(dirname(path));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw asDiskError(error, `write ${path}`);
  }
}

/** Syncs a directory. Without that, the names in it could be lost in a power loss although the files are synced. */
function syncDirectory(path: string): void {
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
