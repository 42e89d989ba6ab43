/** Stores an uploaded model, and finds out whether it is a Python model; for registrations and previews. */
import { PlatformError } from '../../errors.ts';
import type { TensorSpec } from '../../tensor.ts';
import type { Openings } from '../openings.ts';
import type { HeldFiles } from './artifacts.ts';
import {
  declaresInputs,
  isPythonFileName,
  type PythonUpload,
  type Recognise,
  recogniseFilesUpload,
  recogniseFileUpload,
  saysItsInputs,
} from './python-upload.ts';
import { type StoredFiles, type StoredUpload, storeModelOrFiles } from './upload.ts';

/** What storing and recognising need. */
export interface RecognisedUploadDeps {
  readonly modelBytesMax: number;
  /** Absent: Python models are not recognised. */
  readonly recognise?: Recognise | undefined;
  /** Null: this server runs no Python. */
  readonly openings: Openings | null;
}

/** The bytes, and what the user said about them. */
export interface RecognisedUploadRequest {
  readonly source: AsyncIterable<Uint8Array> | Uint8Array;
  readonly sourceName: string;
  readonly pythonEnvironment?: string;
  /** Environment variables of a Python model. */
  readonly environment?: Readonly<Record<string, string>>;
  /** The inputs of a Python model whose file does not describe them. */
  readonly inputs?: readonly TensorSpec[];
}

/** `upload` is in the object store, held until a version refers to it or the caller releases it. */
export interface RecognisedUpload {
  readonly upload: StoredUpload | StoredFiles;
  /** Null if the upload is not a Python model. */
  readonly python: PythonUpload | null;
}

/** Runs none of its code. Throws `invalid_request`, `too_large`, and `unsupported`, also if this server runs no Python. */
export async function storeModel(deps: RecognisedUploadDeps, request: RecognisedUploadRequest, held: HeldFiles): Promise<RecognisedUpload> {
  const { recognise, modelBytesMax: limitBytes } = deps;
  const { source, sourceName } = request;
  const isOneFile = recognise !== undefined && isPythonFileName(sourceName);
  const upload = isOneFile
    ? { model: await held.store(source, limitBytes), others: [], outside: [] }
    : await storeModelOrFiles(held, source, limitBytes);
  return { upload, python: await recognised(deps, request, held, upload) };
}

async function recognised(
  { recognise, modelBytesMax: limitBytes, openings }: RecognisedUploadDeps,
  { sourceName, pythonEnvironment, environment: variables = {}, inputs }: RecognisedUploadRequest,
  held: HeldFiles,
  upload: StoredUpload | StoredFiles,
): Promise<PythonUpload | null> {
  if (recognise === undefined || /\.onnx$/i.test(sourceName)) return null;
  const uploadDeps = { held, recognise, limitBytes, environment: pythonEnvironment ?? null, variables, inputs: inputs ?? null };
  let python: PythonUpload | null = null;
  if ('files' in upload) python = await recogniseFilesUpload(uploadDeps, upload.files);
  else if (upload.others.length === 0) python = await recogniseFileUpload(uploadDeps, upload.model, sourceName);
  if (inputs !== undefined && python !== null && !declaresInputs(python.recognised)) throw saysItsInputs(sourceName);
  if (python === null || openings !== null) return python;
  throw new PlatformError(
    'unsupported',
    `'${sourceName}' is a Python model (${python.runtime.flavour}), and this server runs no Python: set "python": {"run": "after-approval"} in config.json`,
  );
}
