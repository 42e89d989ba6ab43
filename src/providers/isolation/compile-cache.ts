/**
 * Node's cache of compiled code, which reduces the start of a worker from 90 to 40 ms. Isolated workers can only read it, because a worker
 * that could write to it could plant code that later workers run. So the server fills it by running a process without a model, once for
 * each build: servers on other data directories take what an earlier one has left beside the server's own compiled code.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { workerMainPath } from '../../runtime/index.ts';

/** Of builds, in the folder of all servers: each is some 2 MB. */
const sharedMax = 4;

export class CompileCache {
  readonly path: string;
  /** The group of all files that workers can read; null if they run as the server's user. */
  readonly #groupId: number | null;
  /** The folder of all servers of this user; null if there is none. Code from it is trusted, as the server's own compiled code in it is. */
  readonly #shared: string | null;

  constructor(path: string, groupId: number | null, shared: string | null = process.env['NODE_COMPILE_CACHE'] ?? null) {
    this.path = path;
    this.#groupId = groupId;
    this.#shared = shared !== null && existsSync(shared) && isOwn(shared) ? shared : null;
    mkdirSync(path, { recursive: true, mode: 0o700 });
    this.#share(path);
  }

  /** Fills the cache unless this build has done so before: at once, if another server has. Never throws: without it workers boot slower. */
  async fill(nodeOptions: readonly string[]): Promise<void> {
    try {
      const mark = `filled-${buildId()}`;
      if (!existsSync(join(this.path, mark))) {
        for (const name of readdirSync(this.path)) rmSync(join(this.path, name), { recursive: true, force: true });
        if (!this.#takeShared(mark)) {
          const env = { PATH: process.env['PATH'], NODE_COMPILE_CACHE: this.path };
          const child = spawn(process.execPath, [...nodeOptions, workerMainPath, '', '', 'fill-cache'], { env, stdio: 'ignore' });
          const [code] = (await once(child, 'exit')) as [number | null];
          if (code !== 0) return;
          writeFileSync(join(this.path, mark), '');
          this.#leaveShared(mark);
        }
      }
      for (const entry of readdirSync(this.path, { recursive: true, withFileTypes: true })) {
        const path = join(entry.parentPath, entry.name);
        if (entry.isDirectory()) this.#share(path);
        else if (this.#groupId !== null) makeReadable(path);
      }
    } catch {
      // The disk is full, or no process can be started.
    }
  }

  /**
   * Node expects the cache in a folder named after its version and user. Creates a link of that name in `folder` for a worker of
   * this user, which finds the cache at `path`.
   */
  link(folder: string, path: string, uid: number): void {
    const own = `-${process.getuid?.() ?? ''}`;
    for (const name of readdirSync(this.path)) {
      if (name.startsWith('v') && name.endsWith(own)) symlinkSync(join(path, name), join(folder, `${name.slice(0, -own.length)}-${uid}`));
    }
  }

  #takeShared(mark: string): boolean {
    const from = this.#shared === null ? null : join(this.#shared, `workers-${mark}`);
    if (from === null || !existsSync(join(from, mark)) || !isOwn(from)) return false;
    linkAll(from, this.path);
    return true;
  }

  #leaveShared(mark: string): void {
    if (this.#shared === null) return;
    const to = join(this.#shared, `workers-${mark}`);
    const unfinished = `${to}.${process.pid}`;
    try {
      linkAll(this.path, unfinished);
      renameSync(unfinished, to);
    } catch {
      // Another server was faster, or the disk is full.
      rmSync(unfinished, { recursive: true, force: true });
    }
    const builds = readdirSync(this.#shared)
      .filter((name) => name.startsWith('workers-'))
      .map((name) => ({ path: join(this.#shared as string, name), atMs: statSync(join(this.#shared as string, name)).mtimeMs }))
      .sort((one, other) => other.atMs - one.atMs);
    for (const { path } of builds.slice(sharedMax)) rmSync(path, { recursive: true, force: true });
  }

  #share(path: string): void {
    if (this.#groupId === null) return;
    const { uid, gid, mode } = statSync(path);
    if (gid !== this.#groupId) chownSync(path, uid, this.#groupId);
    chmodSync(path, (mode & 0o700) | ((mode & 0o500) >> 3));
  }
}

/**
 * Makes a folder with the files of another one: links, which take a tenth of the time of copies, unless it is on another file system. Node
 * replaces files of its cache and never writes into one.
 */
function linkAll(from: string, to: string): void {
  mkdirSync(to, { recursive: true, mode: 0o700 });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) linkAll(source, target);
    else linkOrCopy(source, target);
  }
}

function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
}

/**
 * For all users: the file is also one of other servers, whose workers have another group. It holds nothing but our own code, and only those
 * who may enter a folder above it find it.
 */
function makeReadable(path: string): void {
  const { mode } = statSync(path);
  if ((mode & 0o044) !== 0o044) chmodSync(path, (mode & 0o700) | 0o044);
}

/** Whether only this user can have written to a folder. */
function isOwn(folder: string): boolean {
  const { uid, mode } = statSync(folder);
  return uid === process.getuid?.() && (mode & 0o022) === 0;
}

/** The files of the workers and when they were changed. */
function buildId(): string {
  const folder = dirname(workerMainPath);
  const hash = createHash('sha256').update(`${process.version} ${folder}`);
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    const { mtimeMs, size } = statSync(join(folder, name));
    hash.update(`\n${name} ${mtimeMs} ${size}`);
  }
  return hash.digest('hex').slice(0, 16);
}
