/** Reads model arguments (a file, a folder, a catalogue model or a registered version) and registers them. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { CatalogueBody, RegisteredBody, VersionBody } from '../../api/index.ts';
import { checkName } from '../../objective.ts';
import type { TensorSpec } from '../../tensor.ts';
import { CliError, ServerError } from '../cli-error.ts';
import { type Client, pathSegment } from '../client/client.ts';
import { findVersion } from '../client/find-version.ts';
import { bytesText, tensorsText } from '../output/format.ts';
import type { Progress } from '../output/progress.ts';
import { type ModelDirectory, packDirectory, readDirectory } from './model-directory.ts';
import { dataFilesOf, hasOnnxFile, type LocalFile, onnxFileIn, packFiles } from './model-files.ts';
import { takesBytes } from './takes-bytes.ts';

export type ModelSource =
  /** An ONNX file or an archive; with the data files of the model, and the folder that was named in place of the file. */
  | { readonly kind: 'file'; readonly path: string; readonly bytes: number; readonly data: readonly LocalFile[]; readonly folder?: string }
  /** The files of a model that runs as the process of an image, or in Python. */
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'catalogue'; readonly name: string }
  | {
      readonly kind: 'version';
      readonly group: string;
      /** null for the name of a group alone. */
      readonly version: number | null;
      /** There is a folder of this name, too. */
      readonly isFolder?: boolean;
    };

const versionPattern = /^([a-zA-Z0-9][a-zA-Z0-9-]*)\/([1-9]\d*)$/;

/**
 * Parses `catalogue:NAME`, `GROUP/VERSION`, the path of a file, the path of a folder with a model or for an image, else a group name (see
 * `findVersion`).
 */
export async function readSource(
  text: string,
  { registersOnly, image }: { registersOnly: boolean; image?: string | undefined },
): Promise<ModelSource> {
  if (text.startsWith('catalogue:')) return { kind: 'catalogue', name: text.slice('catalogue:'.length) };
  const [, group, version] = versionPattern.exec(text) ?? [];
  if (!registersOnly && group !== undefined) return { kind: 'version', group, version: Number(version) };
  const found = await stat(text).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT' && cause.code !== 'ENOTDIR') throw new CliError(`cannot read ${text}: ${cause.message}`, 1, { cause });
    return null;
  });
  if (found?.isFile() === true)
    return { kind: 'file', path: text, bytes: found.size, data: image === undefined ? await dataFilesOf(text) : [] };
  if (found?.isDirectory() === true && image !== undefined) return { kind: 'directory', path: text };
  if (!registersOnly && !/[./\\]/.test(text)) {
    return { kind: 'version', group: checkName('group', text), version: null, isFolder: found?.isDirectory() === true };
  }
  if (found?.isDirectory() === true) {
    if (!(await hasOnnxFile(text))) return { kind: 'directory', path: text };
    const path = await onnxFileIn(text);
    return { kind: 'file', path, bytes: (await stat(path)).size, data: await dataFilesOf(path), folder: text };
  }
  const problem = found === null ? `there is no file ${text}` : `${text} is not a file`;
  const forms = registersOnly
    ? 'FILE.onnx, a Python model, a folder, an archive or catalogue:NAME'
    : 'FILE.onnx, a Python model, a folder, an archive, GROUP/VERSION or catalogue:NAME';
  throw new CliError(`${problem}: expected ${forms} (see \`penstock catalogue\`)`);
}

/** The default name of group and endpoint: `models/digits_mlp.onnx` becomes `digits-mlp`, `churn.joblib.gz` becomes `churn`. */
export function nameFor(source: ModelSource): string {
  if (source.kind === 'catalogue') return source.name;
  if (source.kind === 'version') return source.group;
  const folder = source.kind === 'directory' ? source.path : source.folder;
  const name = basename(resolve(folder ?? source.path))
    .replace(folder === undefined ? /(?:\.(?:tar|joblib|pkl|pickle))?\.[^.]*$/ : /$^/, '')
    .replaceAll('_', '-');
  try {
    return checkName('endpoint', name);
  } catch (cause) {
    throw new CliError(`the file name '${basename(source.path)}' is not a valid name: rename the file, or give a name after it`, 2, {
      cause,
    });
  }
}

/** The API path of `digits/3`. Throws `CliError` for any other form. */
export function versionUrlPath(reference: string): string {
  const [, group, version] = versionPattern.exec(reference) ?? [];
  if (group === undefined) throw new CliError(`'${reference}' is not a model version: expected GROUP/VERSION, such as digits/3`, 2);
  return `/groups/${pathSegment(group)}/versions/${version}`;
}

export interface RegistrationDetails {
  readonly description?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly metrics?: Readonly<Record<string, number>> | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** The image that serves the model, and the environment variables of its process. */
  readonly image?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** The environment in which a Python model runs. */
  readonly environment?: string | undefined;
  /** What a Python model takes whose file does not say it. */
  readonly inputs?: readonly TensorSpec[] | undefined;
  readonly reuse: boolean;
}

/** Registers a file, a folder or a catalogue model, or finds a registered version. Reports each stage. */
export async function registerSource(
  client: Client,
  progress: Progress,
  source: ModelSource,
  group: string,
  details: RegistrationDetails,
): Promise<RegisteredBody> {
  try {
    if (source.kind === 'version') return { version: await findVersion(client, progress, source), reused: true };
    const registered =
      source.kind === 'catalogue'
        ? await importFromCatalogue(client, progress, source.name, group)
        : await upload(client, progress, source, group, details);
    const { version, reused } = registered;
    progress.done(reused ? `${version.name} has the same bytes` : `${version.name}: ${formatInput(version)}`);
    for (const note of reused ? [] : version.notes) {
      progress.remark('note', note);
    }
    return registered;
  } catch (error) {
    progress.fail();
    const isNoGroup = source.kind === 'version' && source.isFolder === true && error instanceof ServerError && error.code === 'not_found';
    throw isNoGroup ? new CliError(`${error.message}. For the folder of this name, write ./${source.group}`) : error;
  }
}

function formatInput({ runtime, signature, python }: VersionBody): string {
  if (runtime.kind === 'python' && python?.state !== 'opened') return `${runtime.flavour}, opened at its approval`;
  if (runtime.kind === 'process') return `input format defined by ${runtime.image}`;
  if (takesBytes({ runtime })) return 'input format defined by its function';
  return signature.inputs.length === 0 ? 'no inputs' : tensorsText(signature.inputs).replaceAll('\n', ', ');
}

async function upload(
  client: Client,
  progress: Progress,
  source: ModelSource & { readonly kind: 'file' | 'directory' },
  group: string,
  details: RegistrationDetails,
): Promise<RegisteredBody> {
  const directory = source.kind === 'directory' ? await readDirectory(source.path) : null;
  const name = directory === null ? basename(source.path) : `${basename(resolve(source.path))}.tar`;
  progress.stage('upload', `${name}${uploadText(source, directory)}`);
  const content = source.kind === 'file' ? contentOf(source) : packDirectory(directory as ModelDirectory);
  const isOnnx = source.kind === 'file' && /\.onnx$/i.test(source.path);
  const inspects = isOnnx ? 'a worker reads its signature and tries batches' : 'its files are checked';
  const text = (value: unknown): string | undefined => (value === undefined ? undefined : JSON.stringify(value));
  return client.post<RegisteredBody>(`/groups/${pathSegment(group)}/versions`, {
    query: {
      name,
      description: details.description,
      metadata: text(details.metadata),
      metrics: text(details.metrics),
      tags: text(details.tags),
      image: details.image,
      environment: text(details.env),
      python_environment: details.environment,
      inputs: text(details.inputs),
      reuse: details.reuse,
    },
    body: streamOf(content, () => progress.stage('inspect', `${name}: ${inspects}`)),
  });
}

function uploadText(source: ModelSource, directory: ModelDirectory | null): string {
  if (source.kind !== 'file') return ` (${bytesText(directory?.bytes ?? 0)})`;
  const { data } = source;
  const bytes = data.reduce((sum, file) => sum + file.bytes, source.bytes);
  const files = data.length === 0 ? '' : data.length === 1 ? ` with ${data[0]?.path}` : ` with ${data.length} data files`;
  return `${files} (${bytesText(bytes)})`;
}

/** The file itself; with its data files, an archive of them. */
function contentOf({ path, bytes, data }: ModelSource & { readonly kind: 'file' }): AsyncIterable<Uint8Array> {
  if (data.length === 0) return createReadStream(path, { highWaterMark: 1024 * 1024 });
  return packFiles([{ path: basename(path), at: path, bytes }, ...data]);
}

/** A stream that is read as fast as the server accepts it. Calls `onEnd` after the last byte. */
async function* streamOf(content: AsyncIterable<Uint8Array>, onEnd: () => void): AsyncGenerator<Uint8Array> {
  yield* content;
  onEnd();
}

async function importFromCatalogue(client: Client, progress: Progress, name: string, group: string): Promise<RegisteredBody> {
  progress.stage('inspect', `${name} from the catalogue`);
  const known = (await client.get<{ items: readonly CatalogueBody[] }>('/catalogue')).items;
  if (!known.some((entry) => entry.name === name)) {
    throw new CliError(`the catalogue has no model '${name}': expected one of ${known.map((entry) => entry.name).join(', ')}`);
  }
  return client.post<RegisteredBody>(`/catalogue/${pathSegment(name)}/register`, { json: { group } });
}
