/**
 * Node's cache of compiled code, which reduces the start of a worker from 90 to 40 ms. Isolated workers can only read it, because a worker
 * that could write to it could plant code that later workers run. So the server fills it by running a process without a model.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { workerMainPath } from '../../runtime/index.ts';

export class CompileCache {
  readonly path: string;
  /** The group of all files that workers can read; null if they run as the server's user. */
  readonly #groupId: number | null;

  constructor(path: string, groupId: number | null) {
    this.path = path;
    this.#groupId = groupId;
    mkdirSync(path, { recursive: true, mode: 0o700 });
    this.#share(path);
  }

  /** Fills the cache unless this build has done so before. Never throws: without it workers boot slower. */
  async fill(nodeOptions: readonly string[]): Promise<void> {
    try {
      const { mtimeMs, size } = statSync(workerMainPath);
      const mark = join(this.path, `filled-${Math.round(mtimeMs)}-${size}`);
      if (!existsSync(mark)) {
        for (const name of readdirSync(this.path)) rmSync(join(this.path, name), { recursive: true, force: true });
        const env = { PATH: process.env['PATH'], NODE_COMPILE_CACHE: this.path };
        const child = spawn(process.execPath, [...nodeOptions, workerMainPath, '', '', 'fill-cache'], { env, stdio: 'ignore' });
        const [code] = (await once(child, 'exit')) as [number | null];
        if (code !== 0) return;
        writeFileSync(mark, '');
      }
      for (const name of readdirSync(this.path, { recursive: true, encoding: 'utf8' })) this.#share(join(this.path, name));
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

  #share(path: string): void {
    if (this.#groupId === null) return;
    const { uid, gid, mode } = statSync(path);
    if (gid !== this.#groupId) chownSync(path, uid, this.#groupId);
    chmodSync(path, (mode & 0o700) | ((mode & 0o500) >> 3));
  }
}
