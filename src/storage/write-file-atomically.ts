/** Small files that are there whole or not at all: configuration, keys, the lock's note. */
import { randomUUID } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { asDiskError } from './disk-errors.ts';

/**
 * Puts the text in place of what the file held, so that a reader, a kill -9 or a power loss meets either the old text
 * or the new. `mode` counts from the first byte on: a secret is never readable by others. Throws `unavailable`.
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

/** Makes the names in a directory as lasting as the files behind them. */
function syncDirectory(path: string): void {
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
