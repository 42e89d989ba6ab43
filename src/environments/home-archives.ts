/** Archives of built environments, for hosts: written when the first host needs one, beside the folder of the environment. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { PlatformError } from '../errors.ts';
import { packEnvironment } from './environment-archive.ts';

/** The archive of an environment. */
export interface EnvironmentArchive {
  readonly sha256: string;
  readonly bytes: number;
  readonly path: string;
  /** The folder of the environment: its scripts contain this path. */
  readonly root: string;
}

/** Space that an archive leaves to the server. */
const freeBytesMin = 256 * 2 ** 20;
const namePattern = /^([0-9a-f]{64})\.([0-9a-f]{64})\.tar$/;

export class HomeArchives {
  readonly #directory: string;
  readonly #known = new Map<string, Promise<EnvironmentArchive>>();

  /** `directory`: of all environments. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Of a built environment of `bytes` bytes. Concurrent calls write it once. Throws `unavailable` if the disk is full. */
  async of(key: string, bytes: number): Promise<EnvironmentArchive> {
    const known = this.#known.get(key);
    if (known !== undefined) {
      const archive = await known;
      if ((await stat(archive.path).catch(() => null)) !== null) return archive;
    }
    const made = this.#find(key).then((found) => found ?? this.#make(key, bytes));
    this.#known.set(key, made);
    made.catch(() => this.#known.delete(key));
    return made;
  }

  /** Deletes the archive of an environment; does nothing if there is none. */
  async remove(key: string): Promise<void> {
    this.#known.delete(key);
    for (const name of await this.#named(key)) await rm(join(this.#directory, name), { force: true });
  }

  /** One of an earlier server, if it is undamaged. */
  async #find(key: string): Promise<EnvironmentArchive | null> {
    for (const name of await this.#named(key)) {
      const path = join(this.#directory, name);
      const [, , sha256 = ''] = namePattern.exec(name) ?? [];
      const hash = createHash('sha256');
      let bytes = 0;
      for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
        hash.update(chunk);
        bytes += chunk.length;
      }
      if (hash.digest('hex') === sha256) return { sha256, bytes, path, root: join(this.#directory, key) };
      await rm(path, { force: true });
    }
    return null;
  }

  async #make(key: string, bytes: number): Promise<EnvironmentArchive> {
    const root = join(this.#directory, key);
    const { bavail, bsize } = await statfs(this.#directory);
    if (bavail * bsize < bytes + freeBytesMin) {
      const mebibytes = Math.ceil(bytes / 2 ** 20);
      throw new PlatformError(
        'unavailable',
        `the disk of the home has no room for an archive of the environment, ${mebibytes} MiB: free some space`,
      );
    }
    // The next start removes what a killed server leaves.
    const temporary = join(this.#directory, `${key}.archive.tmp`);
    await rm(temporary, { force: true });
    try {
      const packed = await packEnvironment(root, temporary);
      const path = join(this.#directory, `${key}.${packed.sha256}.tar`);
      await rename(temporary, path);
      return { ...packed, path, root };
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  async #named(key: string): Promise<readonly string[]> {
    return (await readdir(this.#directory)).filter((name) => namePattern.exec(name)?.[1] === key);
  }
}
