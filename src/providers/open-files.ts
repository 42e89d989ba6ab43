/** File access of a worker without isolation: it sees the files of the server. Only a model in several files is linked into a folder. */
import { type CollectedFile, type DataFile, type LentFile, sharedFiles, type WorkerFiles } from '../runtime/index.ts';
import { type FileChange, WorkerFolder } from './isolation/worker-folder.ts';

export class OpenFiles implements WorkerFiles {
  readonly #path: string;
  readonly #change: FileChange | undefined;
  #folder: WorkerFolder | null = null;

  /** `path` is created if it is needed. */
  constructor(path: string, change: FileChange | undefined) {
    this.#path = path;
    this.#change = change;
  }

  lend(path: string, data: readonly DataFile[] = []): LentFile {
    if (data.length === 0) return sharedFiles.lend(path);
    this.#folder ??= new WorkerFolder(this.#path, null, null, this.#change);
    return this.#folder.lend(path, data);
  }

  lendFolder(files: readonly DataFile[]): LentFile {
    this.#folder ??= new WorkerFolder(this.#path, null, null, this.#change);
    return this.#folder.lendFolder(files);
  }

  collect(target: string): CollectedFile {
    return sharedFiles.collect(target);
  }

  remove(): void {
    this.#folder?.remove();
  }
}
