/**
 * The folder of one isolated worker, on the disk of the data directory: `in` holds its input, `work` and `tmp` its output. The
 * worker sees these three and no other file of the server.
 */
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  constants,
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { PlatformError } from '../../errors.ts';
import { type CollectedFile, type DataFile, type LentFile, modelFileName, type WorkerFiles } from '../../runtime/index.ts';
import { removeTree } from '../disk/remove-tree.ts';

/** Paths of the three folders as seen by the worker. */
export interface FolderNames {
  readonly input: string;
  readonly work: string;
  readonly temporary: string;
}

/** The user of a worker; null if it is the server's own. */
export interface WorkerOwner {
  readonly uid: number;
  readonly gid: number;
}

/** Applies a change to the links or permissions of a file; the content stays the same. */
export type FileChange = (path: string, change: () => void) => void;

/** For workers whose folders are not made in the usual way. */
export interface FolderOptions {
  /** For a forked worker: the only folder that the server touches. The fork server makes and removes the others. */
  readonly forkedInput?: string;
  /** Name of the folder `work` on the host. */
  readonly workName?: string;
}

const readableByOthers = 0o004;
const readableByGroup = 0o040;

/** Lends files as hard links, so that large models are not copied. */
export class WorkerFolder implements WorkerFiles {
  readonly path: string;
  /** On the host. */
  readonly host: FolderNames;
  /** For the worker. */
  readonly names: FolderNames;
  readonly #owner: WorkerOwner | null;
  readonly #change: FileChange;
  readonly #isForked: boolean;
  readonly #lent = new Map<string, LentFile>();
  #count = 0;

  /** Creates the folders. `path` belongs to this worker, below a folder that only the server can enter. */
  constructor(
    path: string,
    owner: WorkerOwner | null,
    names: FolderNames | null,
    change: FileChange = (_path, make) => make(),
    { forkedInput, workName = 'work' }: FolderOptions = {},
  ) {
    this.#change = change;
    this.path = path;
    this.host = { input: forkedInput ?? join(path, 'in'), work: join(path, workName), temporary: join(path, 'tmp') };
    this.names = names ?? this.host;
    this.#owner = owner;
    this.#isForked = forkedInput !== undefined;
    const mode = 0o700;
    const made = this.#isForked ? [this.host.input] : [path, this.host.input, this.host.work, this.host.temporary];
    for (const folder of made) mkdirSync(folder, { recursive: true, mode });
    if (owner === null) return;
    if (!this.#isForked) for (const folder of [this.host.work, this.host.temporary]) chownSync(folder, owner.uid, owner.gid);
    for (const folder of this.#isForked ? [this.host.input] : [path, this.host.input]) this.#openTo(folder, 0o750);
  }

  /**
   * Provides files as hard links, so that large models are not copied; a symbolic link would lead out of what the worker sees. The bytes
   * belong to the server: the worker's user must be able to read but never to write them. Therefore `in` is read-only for the worker, and
   * the files get the workers' group, which has no human member.
   */
  lend(path: string, data: readonly DataFile[] = []): LentFile {
    const name = String(++this.#count);
    const at = join(this.host.input, name);
    const model = data.length === 0 ? { path, at } : { path, at: join(at, modelFileName) };
    const links = [model, ...data.map((file) => ({ path: file.path, at: join(at, file.name) }))];
    return this.#lendLinks(name, links, model.at);
  }

  /** Like `lend`, for a folder of files under their names. The path is that of the folder. */
  lendFolder(files: readonly DataFile[]): LentFile {
    const name = String(++this.#count);
    const at = join(this.host.input, name);
    this.#makeFolder(at);
    const links = files.map((file) => ({ path: file.path, at: join(at, file.name) }));
    return this.#lendLinks(name, links, at);
  }

  #lendLinks(name: string, links: readonly { readonly path: string; readonly at: string }[], lentPath: string): LentFile {
    for (const link of links) {
      this.#makeFolder(dirname(link.at));
      this.#link(link.path, link.at);
    }
    const release = (): void => {
      if (!this.#lent.delete(name)) return;
      for (const link of links) this.#change(link.path, () => rmSync(link.at, { force: true }));
      rmSync(join(this.host.input, name), { recursive: true, force: true });
    };
    const lent = { path: join(this.names.input, lentPath.slice(this.host.input.length)), release };
    this.#lent.set(name, lent);
    return lent;
  }

  #link(path: string, at: string): void {
    this.#change(path, () => {
      try {
        linkSync(path, at);
      } catch {
        copyFileSync(path, at, constants.COPYFILE_FICLONE); // another file system, or one without links
      }
      const { mode } = statSync(at);
      if (this.#owner !== null && (mode & readableByOthers) === 0) this.#openTo(at, (mode & 0o700) | readableByGroup);
    });
  }

  /** Folders within `in`, which the worker can read. */
  #makeFolder(path: string): void {
    if (existsSync(path)) return;
    this.#makeFolder(dirname(path));
    mkdirSync(path, { mode: 0o700 });
    this.#openTo(path, 0o750);
  }

  /** Moves the file before checking it. Afterwards the worker can neither swap it nor replace it by a link to a file of the server. */
  collect(target: string): CollectedFile {
    assert(!this.#isForked, 'the files of a forked worker are in reach of other code while they are moved');
    const name = `out-${++this.#count}`;
    return {
      path: join(this.names.work, name),
      take: () => {
        renameSync(join(this.host.work, name), target);
        if (lstatSync(target).isFile()) return;
        rmSync(target, { recursive: true, force: true });
        throw new PlatformError('model_failed', 'the model was rejected: expected the worker to write a regular file');
      },
    };
  }

  /** Call it once no process of the worker runs. */
  async remove(): Promise<void> {
    for (const lent of this.#lent.values()) lent.release();
    await removeTree(this.#isForked ? this.host.input : this.path);
  }

  #openTo(path: string, mode: number): void {
    if (this.#owner === null) return;
    const { uid, gid, mode: before } = statSync(path);
    if (gid !== this.#owner.gid) chownSync(path, uid, this.#owner.gid);
    if ((before & 0o777) !== mode) chmodSync(path, mode);
  }
}
