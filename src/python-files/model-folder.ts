/** The regular files of an untrusted folder. Links are not followed. */
import type { Dirent } from 'node:fs';
import { opendir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PlatformError } from '../errors.ts';

const entriesMax = 10_000;
const depthMax = 16;

/** A folder whose files were listed once. Names are relative to the folder of the model within it. */
export class ModelFolder {
  readonly #root: string;
  readonly #files: ReadonlySet<string>;
  /** Path of the model's folder inside of the root, with a slash at its end, or empty. */
  readonly prefix: string;

  private constructor(root: string, files: Iterable<string>, prefix: string) {
    this.#root = root;
    this.#files = new Set(files);
    this.prefix = prefix;
  }

  /** Throws `too_large` for folders with too many entries. */
  static async open(root: string): Promise<ModelFolder> {
    return new ModelFolder(root, await filesIn(root), '');
  }

  /** Relative to the model's folder, sorted. */
  get files(): readonly string[] {
    return [...this.#files];
  }

  has(name: string): boolean {
    return this.#files.has(name);
  }

  pathOf(name: string): string {
    return join(this.#root, this.prefix + name);
  }

  /** Throws `too_large` if the file has more than `bytesMax` bytes. */
  async text(name: string, bytesMax: number): Promise<string> {
    const path = this.pathOf(name);
    const { size } = await stat(path);
    if (size > bytesMax) throw new PlatformError('too_large', `${name} has ${size} bytes: expected at most ${bytesMax}`);
    return readFile(path, 'utf8');
  }

  /** Archives often hold one folder, which holds the model. */
  withoutOuterFolders(): ModelFolder {
    const files = this.files;
    const outer = files[0]?.includes('/') === true ? files[0].slice(0, files[0].indexOf('/') + 1) : '';
    // Script mode has its file in a folder of this name.
    if (outer === '' || outer === 'code/' || !files.every((path) => path.startsWith(outer))) return this;
    const inner = files.map((path) => path.slice(outer.length));
    return new ModelFolder(this.#root, inner, this.prefix + outer).withoutOuterFolders();
  }
}

async function filesIn(root: string): Promise<string[]> {
  const files: string[] = [];
  let entries = 0;
  const walk = async (under: string, depth: number): Promise<void> => {
    for await (const entry of (await opendir(join(root, under))) as AsyncIterable<Dirent>) {
      if (++entries > entriesMax) throw new PlatformError('too_large', `the folder has more than ${entriesMax} entries`);
      const path = under === '' ? entry.name : `${under}/${entry.name}`;
      if (entry.isFile()) files.push(path);
      if (entry.isDirectory() && depth < depthMax) await walk(path, depth + 1);
    }
  };
  await walk('', 0);
  return files.sort();
}
