/**
 * Removes other users' permissions from the server's files in a data directory, because earlier versions created some of them
 * world-readable. Files with other names are unchanged: with `--data-dir .` they are the operator's.
 */
import { chmodSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const temporary = String.raw`(?:\.[0-9a-f-]{36})?\.(?:tmp|part)`;

/** Excludes `tls-cert.pem`: local clients may trust it by its path. */
const privateFiles: readonly RegExp[] = [
  new RegExp(String.raw`^(?:config\.json|keys\.json|installation\.json|scrub\.json|cgroups|lock|reserve)(?:${temporary})?$`),
  /^(?:state\.db|metrics\.db|lock\.held)(?:-wal|-shm|-journal)?$/,
  /^state\.db\.sequence(?:\.tmp)?$/,
  /^tls-key\.pem$/,
];
const logFiles: readonly RegExp[] = [/^(?:platform|requests|access)\.log(?:\.\d+)?$/];

/** Other folders must be accessible to the users that workers run as: `isolation-root`, `compile-cache`. */
const privateFolders: readonly string[] = ['objects', 'buckets', 'logs'];

/** Never throws: files of other owners are skipped. */
export function tightenDirectory(path: string): void {
  tightenFiles(path, privateFiles);
  tightenFiles(join(path, 'logs'), logFiles);
  for (const name of privateFolders) tighten(join(path, name), true);
}

function tightenFiles(folder: string, ours: readonly RegExp[]): void {
  for (const name of namesIn(folder)) if (ours.some((each) => each.test(name))) tighten(join(folder, name), false);
}

function tighten(path: string, isFolder: boolean): void {
  try {
    const stat = lstatSync(path);
    if ((isFolder ? stat.isDirectory() : stat.isFile()) && (stat.mode & 0o077) !== 0) chmodSync(path, stat.mode & 0o700);
  } catch {
    // Deleted in the meantime, or owned by another user.
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
