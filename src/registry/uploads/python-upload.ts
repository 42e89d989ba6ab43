/**
 * Recognises Python models among uploads. No code of a model runs: its files are stored one by one, and only read. A model in one file is a
 * bundle of that file.
 */
import { constants } from 'node:fs';
import { copyFile, mkdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { PlatformError } from '../../errors.ts';
import type { RecognisedModel } from '../../python-files/index.ts';
import type { PythonRuntime } from '../../python-model.ts';
import type { Inspection } from '../../runtime/index.ts';
import type { TensorSpec } from '../../tensor.ts';
import type { HeldFiles } from './artifacts.ts';
import type { InspectedUpload } from './inspected-upload.ts';
import { type ArtifactFile, byManifest, manifestOf } from './manifest.ts';

/**
 * Reads a file or a folder without running its code; null if it holds no Python model. `name`: as the file was uploaded; `script`: of
 * SageMaker's script mode.
 */
export type Recognise = (path: string, name: string, script?: string) => Promise<RecognisedModel | null>;

/** An upload that is a Python model. Opening it comes later, with its approval. */
export interface PythonUpload extends InspectedUpload {
  readonly runtime: PythonRuntime;
  readonly recognised: RecognisedModel;
}

/** Files with these names are models, not archives, even if their format is that of an archive. */
export function isPythonFileName(name: string): boolean {
  return /\.(?:joblib|pkl|pickle|skops|pt|pth|pt2|keras|json|ubj|bst|txt|lgb|cbm|py)(?:\.(?:gz|z|bz2|xz|lzma))?$/i.test(name);
}

/** What recognising needs. `recognise` reads files within bounds, in a thread. */
export interface PythonUploadDeps {
  readonly held: HeldFiles;
  readonly recognise: Recognise;
  readonly limitBytes: number;
  /** The requested environment; null: the default. */
  readonly environment: string | null;
  /** Environment variables of its code. `SAGEMAKER_PROGRAM` names the script of an archive. */
  readonly variables: Readonly<Record<string, string>>;
  /** Inputs that the user declared; null if there are none. */
  readonly inputs: readonly TensorSpec[] | null;
}

/** Whether the files do not say what the model takes, so that its user can. */
export function declaresInputs({ flavour, form }: RecognisedModel): boolean {
  return flavour === 'torchscript' || (flavour === 'script-mode' && form === null);
}

/** For inputs that a user declared on a model whose file declares them: two sources could differ. */
export function saysItsInputs(sourceName: string): PlatformError {
  return new PlatformError('invalid_request', `'${sourceName}' declares its own inputs: leave the inputs out`);
}

/** Null if the file is not a Python model. Throws `invalid_request` or `unsupported` if it is one that cannot be served. */
export async function recogniseFileUpload(
  deps: PythonUploadDeps,
  file: Omit<ArtifactFile, 'path'>,
  sourceName: string,
): Promise<PythonUpload | null> {
  const name = fileName(sourceName);
  const recognised = await deps.recognise(await deps.held.fetch(file.sha256), name);
  if (recognised === null) return null;
  const source = { sha256: file.sha256, bytes: file.bytes, files: [] };
  return { source, ...(await bundleOf(deps, [{ path: name, ...file }], { ...recognised, entry: name })) };
}

/** Null if the files hold no Python model. */
export async function recogniseFilesUpload(deps: PythonUploadDeps, files: readonly ArtifactFile[]): Promise<PythonUpload | null> {
  const stripped = withoutTopFolder(files);
  const recognised = await recogniseFolder(deps, stripped);
  if (recognised === null) return null;
  const bundle = await bundleOf(deps, stripped, recognised);
  return { source: bundle.artifact, ...bundle };
}

/** Stored files have no names, but a folder of named files must be read: so they are copied to a temporary one. */
async function recogniseFolder(
  { held, recognise, variables }: PythonUploadDeps,
  files: readonly ArtifactFile[],
): Promise<RecognisedModel | null> {
  const folder = await held.temporaryPath();
  try {
    await mkdir(folder, { mode: 0o700 });
    for (const { path, sha256 } of files) {
      await mkdir(dirname(join(folder, path)), { recursive: true, mode: 0o700 });
      await copyFile(await held.fetch(sha256), join(folder, path), constants.COPYFILE_FICLONE);
    }
    const script = variables['SAGEMAKER_PROGRAM'];
    return await (script === undefined ? recognise(folder, 'model') : recognise(folder, 'model', script));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function bundleOf(
  { held, limitBytes, environment, variables, inputs }: PythonUploadDeps,
  files: readonly ArtifactFile[],
  recognised: RecognisedModel,
) {
  const sorted = [...files].sort(byManifest);
  const { sha256 } = await held.store(manifestOf(sorted), limitBytes);
  const artifact = { sha256, bytes: sorted.reduce((sum, { bytes }) => sum + bytes, 0), files: sorted };
  const { flavour, form, entry } = recognised;
  const names = Object.keys(variables);
  const runtime: PythonRuntime = {
    kind: 'python',
    environment: { name: environment, lock: null },
    flavour,
    form,
    entry,
    modules: [],
    ...(names.length === 0 ? {} : { variables }),
    ...(inputs === null ? {} : { inputs }),
  };
  // Values can be secrets.
  const notes = names.length === 0 ? recognised.notes : [...recognised.notes, `reads the variables ${names.join(', ')}`];
  return { artifact, inspection: unopened(notes), runtime, recognised };
}

function unopened(notes: readonly string[]): Inspection {
  return {
    signature: { inputs: [], outputs: [] },
    opsets: {},
    producer: '',
    irVersion: 0,
    properties: {},
    notes,
    batchable: false,
    batchableReason: 'it is opened at its approval: until then its inputs are unknown',
    rewritten: false,
    loadMs: 0,
    dataFiles: [],
  };
}

/** A folder that was packed with its own name: `churn/model.py` becomes `model.py`. */
function withoutTopFolder(files: readonly ArtifactFile[]): readonly ArtifactFile[] {
  const [first] = files;
  const top = first === undefined ? '' : first.path.slice(0, first.path.indexOf('/') + 1);
  // `code/inference.py` alone is the layout of SageMaker, not a folder that was packed.
  if (top === '' || top === 'code/' || files.some(({ path }) => !path.startsWith(top))) return files;
  return files.map((file) => ({ ...file, path: file.path.slice(top.length) }));
}

function fileName(sourceName: string): string {
  const name = basename(sourceName.replaceAll('\\', '/'));
  if (name === '' || name === '.' || name === '..')
    throw new PlatformError('invalid_request', 'the file has no name: give one with name=model.joblib');
  return name;
}
