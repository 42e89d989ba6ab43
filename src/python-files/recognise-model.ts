/** Finds out which Python model a file or folder holds, in a thread, because a model can be large. */
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Threads, type ThreadTask, threadTask } from '../threads/index.ts';
import { recogniseFile } from './file-model.ts';
import { recogniseFolder } from './folder-model.ts';
import type { RecognisedModel, RecognitionLimits } from './recognised-model.ts';

/** Limits and the thread pool, with what the uploader said of the file. */
export interface RecognitionOptions {
  readonly limits: RecognitionLimits;
  /** With a heap and a time limit of their own: what is read is untrusted. */
  readonly threads: Threads;
  /** The name of the uploaded file. Default: the last part of the path. */
  readonly name?: string;
  /** Path of the script of SageMaker's script mode inside of `code/`. Default: `inference.py`. */
  readonly script?: string;
}

interface RecognitionInput {
  readonly path: string;
  readonly name: string;
  readonly script: string | null;
  readonly limits: RecognitionLimits;
}

/**
 * Null if there is no Python model at `path`, a file or an unpacked folder; it may well be another model. Runs no code of the model.
 * Throws `invalid_request`, `unsupported` or `too_large` with a reason for people if it is a Python model that cannot be served.
 */
export async function recogniseModel(path: string, { limits, threads, name, script }: RecognitionOptions): Promise<RecognisedModel | null> {
  return threads.run(
    recognitionTask,
    { path, name: name ?? basename(path), script: script ?? null, limits },
    { bytes: limits.bytesMax, work, lane: 'files' },
  );
}

const work = { name: 'reading the model', hint: 'Save it in a format without pickles, such as skops or ONNX' };

/** Public for the thread. */
export const recognitionTask: ThreadTask<RecognitionInput, Promise<RecognisedModel | null>> = threadTask(
  import.meta.url,
  'recognitionTask',
  async ({ path, name, script, limits }: RecognitionInput) => {
    const isFolder = (await stat(path)).isDirectory();
    const found = await (isFolder ? recogniseFolder(path, limits, script) : recogniseFile(path, name, limits));
    return found === null ? null : asXgboostAlgorithm(found, isFolder ? basename(found.entry) : name);
  },
);

/** A file of this name is a model of SageMaker's XGBoost algorithm, also where it is a pickle. It takes the algorithm's bodies. */
function asXgboostAlgorithm(found: RecognisedModel, fileName: string): RecognisedModel {
  const isPickle = found.flavour === 'sklearn';
  if (fileName !== 'xgboost-model' || (found.flavour !== 'xgboost' && !isPickle)) return found;
  const { inputs: _inputs, columns: _columns, ...others } = found;
  return { ...others, flavour: 'xgboost', form: 'bytes' };
}
