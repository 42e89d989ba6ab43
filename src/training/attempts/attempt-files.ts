/** The files of an attempt, on the machine that runs it: inputs are written, and what the script wrote is read. */
import type { OpenedTaskFile, TaskAddress, TaskFileList, TaskInput, Tasks } from '../../providers/index.ts';

/** Paths are below the `ml` folder of the attempt. */
export class AttemptFiles {
  readonly #tasks: Pick<Tasks, 'makeFolders' | 'put' | 'files' | 'openFile'>;
  readonly #at: TaskAddress;

  constructor(tasks: Pick<Tasks, 'makeFolders' | 'put' | 'files' | 'openFile'>, at: TaskAddress) {
    this.#tasks = tasks;
    this.#at = at;
  }

  makeFolders(paths: readonly string[]): Promise<void> {
    return this.#tasks.makeFolders(this.#at, paths);
  }

  /** Rejects with `too_large` if it does not fit on the disk. */
  put(path: string, input: TaskInput): Promise<void> {
    return this.#tasks.put(this.#at, path, input);
  }

  putText(path: string, text: string | Buffer): Promise<void> {
    return this.put(path, { kind: 'stream', content: [Buffer.from(text)] });
  }

  /** Of a folder. `most`: files. */
  list(folder: string, most?: number): Promise<TaskFileList> {
    return this.#tasks.files(this.#at, folder, most);
  }

  /** Null if there is none. The caller closes it. */
  open(folder: string, path: string): Promise<OpenedTaskFile | null> {
    return this.#tasks.openFile(this.#at, folder, path);
  }

  /** The beginning of a text file; null if there is none. */
  async text(folder: string, path: string, bytesMax: number): Promise<string | null> {
    const file = await this.open(folder, path);
    if (file === null) return null;
    try {
      return (await file.read(0, bytesMax)).toString();
    } finally {
      await file.close();
    }
  }
}
