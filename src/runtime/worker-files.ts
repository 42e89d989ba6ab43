/** A worker's access to files of the server. An isolated worker only sees its own folders. */
import assert from 'node:assert/strict';
import { join } from 'node:path';

/** The files of a stored model: the one to load, and those with its external data. */
export interface ModelFiles {
  readonly path: string;
  /** Absent for a model in one file. */
  readonly data?: readonly DataFile[];
}

/** A file with tensors of a model, ONNX's external data. */
export interface DataFile {
  /** As the tensors name it, relative to the folder of the model: `model.onnx.data`, `weights/0`. */
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
}

/** The files of a stored model by the SHA-256 of their content, so that any machine can fetch them. */
export interface ModelArtifact {
  readonly sha256: string;
  readonly bytes: number;
  /** Absent for a model in one file. */
  readonly data?: readonly DataArtifact[];
}

/** A data file by its address in the object store. */
export interface DataArtifact {
  /** As in `DataFile`. */
  readonly name: string;
  readonly sha256: string;
  readonly bytes: number;
}

/** Copies each file to this machine if needed. `fetch` resolves to its path. */
export async function fetchModel({ sha256, data }: ModelArtifact, fetch: (sha256: string) => Promise<string>): Promise<ModelFiles> {
  const path = await fetch(sha256);
  if (data === undefined) return { path };
  const files: DataFile[] = [];
  for (const file of data) files.push({ name: file.name, path: await fetch(file.sha256), bytes: file.bytes });
  return { path, data: files };
}

/**
 * Two implementations: for workers without isolation, whose paths are the server's, and for isolated ones, into whose folder files are
 * linked.
 */
export interface WorkerFiles {
  /** Lets the worker read a file until `release`; with data files, a folder in which they are beside it under their names. */
  lend(path: string, data?: readonly DataFile[]): LentFile;
  /** Lets the worker read a folder with these files until `release`. */
  lendFolder(files: readonly DataFile[]): LentFile;
  /** Lets the worker write a file. `take` moves it to `target`, and throws if it is not a regular file. */
  collect(target: string): CollectedFile;
}

/** Where the archive of a process is unpacked in the folder of its worker. */
export function bundleFolder(directory: string): string {
  return join(directory, 'model');
}

/** Valid until `release`, which must be called once the worker has read it. */
export interface LentFile {
  /** The path as seen by the worker. */
  readonly path: string;
  release(): void;
}

/** A file that the worker creates. Until `take` its content is untrusted. */
export interface CollectedFile {
  readonly path: string;
  take(): void;
}

/** For a worker without isolation, which sees the same files as the server. Data files need a folder, which this has not. */
export const sharedFiles: WorkerFiles = {
  lend: (path, data = []) => {
    assert(data.length === 0, 'data files must be linked into a folder');
    return { path, release: () => undefined };
  },
  lendFolder: () => assert.fail('a folder must be linked'),
  collect: (path) => ({ path, take: () => undefined }),
};
