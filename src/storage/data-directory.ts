/** The one directory a server keeps its state in, and the lock that keeps a second server out. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { PlatformError } from '../errors.ts';
import { asDiskError, systemCode } from './disk-errors.ts';
import { writeFileAtomically } from './write-file-atomically.ts';

/**
 * Two files make the lock. `lock.held` is an empty SQLite database on which the holder keeps an exclusive
 * transaction, that is a lock of the operating system: it goes when the process goes, also by kill -9, cannot go
 * stale, and of two who race for it exactly one gets it. Node offers no other way to such a lock. `lock` is the
 * note beside it: who holds it, and where that server answers.
 */
const heldName = 'lock.held';
const noteName = 'lock';

/** Long enough to outlast somebody who only looks (`readLock`), short enough for a clear refusal. */
const patienceMs = 250;

export interface LockHolder {
  readonly pid: number;
  /** Where it answers; null while it starts. */
  readonly url: string | null;
}

interface Note extends LockHolder {
  /** Of the holder before, as long as nobody was told of it. */
  readonly abandonedAtMs: number | null;
}

/** A directory of our own; paths are absolute. */
export class DataDirectory {
  readonly path: string;
  readonly stateDb: string;
  readonly metricsDb: string;
  readonly objects: string;
  /** What buckets hold. */
  readonly buckets: string;
  readonly logs: string;
  readonly keysFile: string;
  readonly configFile: string;
  /**
   * Epoch milliseconds of the last that was written here by a holder who went without a word: killed, crashed, or with its machine; null
   * where the last one let go.
   */
  readonly abandonedAtMs: number | null;
  #held: DatabaseSync | null;
  #url: string | null = null;
  #isUntold: boolean;

  constructor(path: string, held: DatabaseSync, abandonedAtMs: number | null) {
    this.path = path;
    this.#held = held;
    this.abandonedAtMs = abandonedAtMs;
    this.#isUntold = abandonedAtMs !== null;
    this.stateDb = join(path, 'state.db');
    this.metricsDb = join(path, 'metrics.db');
    this.objects = join(path, 'objects');
    this.buckets = join(path, 'buckets');
    this.logs = join(path, 'logs');
    this.keysFile = join(path, 'keys.json');
    this.configFile = join(path, 'config.json');
  }

  /** Tells the others where this server answers. */
  announce(url: string | null): void {
    this.#url = url;
    const note: LockHolder & Partial<Note> = { pid: process.pid, url, ...(this.#isUntold ? { abandonedAtMs: this.abandonedAtMs } : {}) };
    writeFileAtomically(join(this.path, noteName), `${JSON.stringify(note)}\n`, { mode: 0o600 });
  }

  /** The end of the holder before is known now where it should be: the next one need not tell of it. */
  told(): void {
    if (!this.#isUntold) return;
    this.#isUntold = false;
    this.announce(this.#url);
  }

  /** Lets the next one in; a second call does nothing. Where the end of the holder before could not be told, the next one does. */
  release(): void {
    if (this.#held === null) return;
    if (!this.#isUntold) rmSync(join(this.path, noteName), { force: true });
    this.#held.close();
    this.#held = null;
  }
}

/**
 * Makes the directory (for its owner only) and takes its lock. Throws `wrong_state` in one line where another process
 * has it, `unavailable` where it cannot be made or written, `invalid_request` where the path is no directory.
 */
export async function openDataDirectory(dir: string): Promise<DataDirectory> {
  const path = resolve(dir);
  try {
    const made = mkdirSync(path, { recursive: true, mode: 0o700 });
    if (made !== undefined) chmodSync(path, 0o700);
  } catch (error) {
    const code = systemCode(error);
    if (code === 'EEXIST' || code === 'ENOTDIR') {
      throw new PlatformError('invalid_request', `${path} is not a directory: choose another --data-dir`, { cause: error });
    }
    // Node reports a read-only file system as ENOENT when it makes directories on the way.
    const cause = code === 'ENOENT' ? Object.assign(new Error('read-only', { cause: error }), { code: 'EROFS' }) : error;
    throw asDiskError(cause, `make the data directory ${path}`);
  }
  const held = takeLock(path);
  const directory = new DataDirectory(path, held, abandonedAt(path));
  try {
    directory.announce(null);
  } catch (error) {
    held.close();
    throw error;
  }
  return directory;
}

/** Who holds the directory; null where nobody does. Never throws: an unreadable directory is held by nobody we know. */
export async function readLock(dir: string): Promise<LockHolder | null> {
  const path = resolve(dir);
  const note = isHeld(path) ? readNote(path) : null;
  return note === null ? null : { pid: note.pid, url: note.url };
}

function takeLock(path: string): DatabaseSync {
  let held: DatabaseSync | undefined;
  try {
    held = new DatabaseSync(join(path, heldName), { timeout: patienceMs });
    held.exec('begin exclusive');
    return held;
  } catch (error) {
    held?.close();
    if (!isBusy(error)) throw asDiskError(error, `lock the data directory ${path}`);
    const holder = readNote(path);
    const who = holder === null ? 'another process' : `process ${holder.pid}${holder.url === null ? '' : ` (${holder.url})`}`;
    throw new PlatformError('wrong_state', `${basename(path)} is in use by ${who}: stop it first, or choose another --data-dir`);
  }
}

/** What a server writes as long as it lives, with the logs; other files an operator may have written since. */
const signsOfLife = /^(?:state|metrics)\.db/;

/**
 * Whoever lets go takes the note away. To be asked with the lock, before anything is written. Where somebody began since and could not tell of
 * it, the note says when it was.
 */
function abandonedAt(path: string): number | null {
  const note = writtenAt(path, noteName);
  if (note === null) return null;
  const untoldMs = readNote(path)?.abandonedAtMs ?? null;
  if (untoldMs !== null) return untoldMs;
  const logs = join(path, 'logs');
  const databases = namesIn(path).filter((name) => signsOfLife.test(name));
  const others = [...databases.map((name) => writtenAt(path, name)), ...namesIn(logs).map((name) => writtenAt(logs, name))];
  return Math.max(note, ...others.map((atMs) => atMs ?? 0));
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return []; // no log was written yet
  }
}

/** Of a file; null of anything else, and where there is none. */
function writtenAt(path: string, name: string): number | null {
  const file = statSync(join(path, name), { throwIfNoEntry: false });
  return file?.isFile() === true ? Math.round(file.mtimeMs) : null;
}

function isHeld(path: string): boolean {
  let looking: DatabaseSync | undefined;
  try {
    looking = new DatabaseSync(join(path, heldName), { readOnly: true });
    looking.prepare('select count(*) from sqlite_master').get();
    return false;
  } catch (error) {
    return isBusy(error);
  } finally {
    looking?.close();
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' && (error.errcode & 255) === 5;
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
    return null; // just being written, or just removed
  }
}
