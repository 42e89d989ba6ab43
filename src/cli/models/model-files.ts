/** Finds the files of a model on this machine: its .onnx file, and the data files that its tensors name. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { messageOf } from '../../errors.ts';
import { isModelPath } from '../../registry/index.ts';
import { dataFileNames } from '../../runtime/index.ts';
import { type TarFile, tarOf } from '../../tar/index.ts';
import { CliError } from '../cli-error.ts';
import { readDirectory } from './model-directory.ts';

/** A file to send, called `path` in the archive. */
export interface LocalFile {
  readonly path: string;
  readonly at: string;
  readonly bytes: number;
}

/** The only .onnx file in a folder, at any depth. Throws `CliError`. */
export async function onnxFileIn(folder: string): Promise<string> {
  const { files } = await readDirectory(folder);
  const models = files.filter(({ path }) => isModelPath(path));
  const [model] = models;
  if (model === undefined) {
    throw new CliError(
      `the folder ${folder} has no .onnx file: name the folder of an ONNX model, or set the image that serves the folder with --image NAME`,
    );
  }
  if (models.length === 1) return model.at;
  const listed = models.slice(0, 10).map(({ at }) => at);
  throw new CliError(
    `the folder ${folder} has ${models.length} .onnx files: name one of them: ${listed.join(', ')}${models.length > 10 ? ', …' : ''}`,
  );
}

/** Whether a folder holds an ONNX model. Throws `CliError` if it cannot be read. */
export async function hasOnnxFile(folder: string): Promise<boolean> {
  return (await readDirectory(folder)).files.some(({ path }) => isModelPath(path));
}

/** The data files of a model, which are beside it. Throws `CliError` if one is missing. */
export async function dataFilesOf(model: string): Promise<LocalFile[]> {
  const names = namesIn(model);
  const files: LocalFile[] = [];
  for (const path of names) {
    const at = join(dirname(model), path);
    const found = await stat(at).catch(() => null);
    if (found?.isFile() !== true) {
      const listed = names.length === 1 ? '' : ` (one of ${names.length} data files)`;
      throw new CliError(
        `${model} has its weights in ${path}${listed}: expected that file at ${at}, found none. Copy it there, under this name`,
      );
    }
    files.push({ path, at, bytes: found.size });
  }
  return files;
}

function namesIn(model: string): string[] {
  try {
    return dataFileNames(model);
  } catch (cause) {
    throw new CliError(`${model} cannot be registered: ${messageOf(cause)}`, 1, { cause });
  }
}

/** An archive with these files. */
export function packFiles(files: readonly LocalFile[]): AsyncGenerator<Uint8Array> {
  return tarOf(openEach(files));
}

async function* openEach(files: readonly LocalFile[]): AsyncGenerator<TarFile> {
  for (const { path, at, bytes } of files) {
    yield { path, bytes, isExecutable: false, content: createReadStream(at, { highWaterMark: 1024 * 1024 }) };
  }
}
