/** The directory that holds all state of a server, and the lock that excludes a second server. */
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { PlatformError } from '../errors.ts';
import { asDiskError, systemCode } from './disk-errors.ts';
import { FileLock } from './file-lock.ts';
import { makeDirectory } from './make-directory.ts';
import { releaseReserve, releaseReserveIfFull } from './reserve.ts';
import { tightenDirectory } from './tighten.ts';
import { writeFileAtomically } from './write-file-atomically.ts';

/** The lock consists of two files: `lock.held` is a `FileLock`, and `lock` a note with the holder and its URL. */
const heldName = 'lock.held';
const noteName = 'lock';

/** Long enough to outlast a concurrent `readLock`, short enough to report a conflict quickly. */
const patienceMs = 250;

/** The process that holds a data directory, as written beside its lock for the error of a second server. */
export interface LockHolder {
  readonly pid: number;
  /** The server's URL; null while it starts. */
  readonly url: string | null;
}

interface Note extends LockHolder {
  /** Set if the previous holder ended abruptly and that has not been reported yet. */
  readonly abandonedAtMs: number | null;
}

/** The data directory of this server. All paths are absolute. */
export class DataDirectory {
  readonly path: string;
  readonly stateDb: string;
  readonly metricsDb: string;
  readonly objects: string;
  /** Contents of S3 buckets. */
  readonly buckets: string;
  readonly logs: string;
  readonly keysFile: string;
  readonly configFile: string;
  /**
   * If the previous holder did not release the lock (killed, crashed, or power loss), the time of its last write in epoch milliseconds;
   * otherwise null.
   */
  readonly abandonedAtMs: number | null;
  #held: FileLock | null;
  #url: string | null = null;
  #isUnreported: boolean;

  constructor(path: string, held: FileLock, abandonedAtMs: number | null) {
    this.path = path;
    this.#held = held;
    this.abandonedAtMs = abandonedAtMs;
    this.#isUnreported = abandonedAtMs !== null;
    this.stateDb = join(path, 'state.db');
    this.metricsDb = join(path, 'metrics.db');
    this.objects = join(path, 'objects');
    this.buckets = join(path, 'buckets');
    this.logs = join(path, 'logs');
    this.keysFile = join(path, 'keys.json');
    this.configFile = join(path, 'config.json');
  }

  /** Publishes the URL of this server in the note. */
  announce(url: string | null): void {
    this.#url = url;
    const note: LockHolder & Partial<Note> = {
      pid: process.pid,
      url,
      ...(this.#isUnreported ? { abandonedAtMs: this.abandonedAtMs } : {}),
    };
    writeFileAtomically(join(this.path, noteName), `${JSON.stringify(note)}\n`, { mode: 0o600 });
  }

  /** Records that the abrupt end of the previous holder was reported, so the next server does not report it again. */
  markReported(): void {
    if (!this.#isUnreported) return;
    this.#isUnreported = false;
    this.announce(this.#url);
  }

  /** Releases the lock; idempotent. If an abrupt end was not reported, the next holder reports it. */
  release(): void {
    if (this.#held === null) return;
    if (!this.#isUnreported) rmSync(join(this.path, noteName), { force: true });
    this.#held.release();
    this.#held = null;
  }
}

/**
 * Creates the directory (mode 0700) and takes its lock. Throws `wrong_state` with a one-line message if another process holds it,
 * `unavailable` if it cannot be created or written, `invalid_request` if the path is not a directory.
 */
export async function openDataDirectory(dir: string): Promise<DataDirectory> {
  const path = resolve(dir);
  try {
    await makeDirectory(path, 0o700);
  } catch (error) {
    const code = systemCode(error);
    if (code === 'EEXIST' || code === 'ENOTDIR') {
      throw new PlatformError('invalid_request', `${path} is not a directory: choose another --data-dir`, { cause: error });
    }
    // The kernel reports ENOENT if nothing can be created there, for example below /proc.
    const cause = code === 'ENOENT' ? Object.assign(new Error('not writable', { cause: error }), { code: 'EROFS' }) : error;
    throw asDiskError(cause, `create the data directory ${path}`);
  }
  releaseReserveIfFull(path);
  const held = acquireLock(path);
  tightenDirectory(path);
  const directory = new DataDirectory(path, held, abandonedAt(path));
  try {
    try {
      directory.announce(null);
    } catch {
      releaseReserve(path); // A quota may be exhausted even if the disk has free space.
      directory.announce(null);
    }
  } catch (error) {
    held.release();
    throw error;
  }
  return directory;
}

/** The holder of the directory; null if it is free or unreadable. Never throws. */
export async function readLock(dir: string): Promise<LockHolder | null> {
  const path = resolve(dir);
  const note = FileLock.isHeld(join(path, heldName)) ? readNote(path) : null;
  return note === null ? null : { pid: note.pid, url: note.url };
}

/** Describes the process that holds the directory, for an error; null if it is free or unreadable. Never throws. */
export function holderOf(dir: string): string | null {
  const path = resolve(dir);
  return FileLock.isHeld(join(path, heldName)) ? describedHolder(path) : null;
}

/** `process 12 (http://127.0.0.1:8080)`. */
function describedHolder(path: string): string {
  const note = readNote(path);
  return note === null ? 'another process' : `process ${note.pid}${note.url === null ? '' : ` (${note.url})`}`;
}

function acquireLock(path: string): FileLock {
  let held: FileLock | null;
  try {
    held = FileLock.take(join(path, heldName), patienceMs);
  } catch (error) {
    throw asDiskError(error, `lock the data directory ${path}`);
  }
  if (held !== null) return held;
  throw new PlatformError(
    'wrong_state',
    `${basename(path)} is in use by ${describedHolder(path)}: stop it first, or choose another --data-dir`,
  );
}

/** Files that a running server writes regularly. An operator may have changed other files later. */
const signsOfLife = /^(?:state|metrics)\.db/;

/**
 * An orderly release deletes the note, so an existing one means an abrupt end. Requires the lock; call before the first write. If a later
 * server could not report that end, the note still contains its time.
 */
function abandonedAt(path: string): number | null {
  const note = writtenAt(path, noteName);
  if (note === null) return null;
  const unreportedMs = readNote(path)?.abandonedAtMs ?? null;
  if (unreportedMs !== null) return unreportedMs;
  const logs = join(path, 'logs');
  const databases = namesIn(path).filter((name) => signsOfLife.test(name));
  const others = [...databases.map((name) => writtenAt(path, name)), ...namesIn(logs).map((name) => writtenAt(logs, name))];
  return Math.max(note, ...others.map((atMs) => atMs ?? 0));
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return []; // No log has been written yet.
  }
}

/** The modification time of a file; null for anything else. */
function writtenAt(path: string, name: string): number | null {
  const file = statSync(join(path, name), { throwIfNoEntry: false });
  return file?.isFile() === true ? Math.round(file.mtimeMs) : null;
}

function readNote(path: string): Note | null {
  try {
    const note: unknown = JSON.parse(readFileSync(join(path, noteName), 'utf8'));
    if (typeof note !== 'object' || note === null || !('pid' in note) || typeof note.pid !== 'number') return null;
    return {
      pid: note.pid,
      url: 'url' in note && typeof note.url === 'string' ? note.url : null,
      abandonedAtMs: 'abandonedAtMs' in note && typeof note.abandonedAtMs === 'number' ? note.abandonedAtMs : null,
    };
  } catch {
    return null; // Being written or removed concurrently.
  }
}
