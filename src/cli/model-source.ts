/** What a user names as a model: a file, a folder, a model of the catalogue, a version that is registered. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { CatalogueBody, RegisteredBody, VersionBody } from '../api/index.ts';
import { checkName } from '../objective.ts';
import { type Client, part } from './client.ts';
import { Failure } from './failure.ts';
import { findVersion } from './find-version.ts';
import { packDirectory, readDirectory } from './model-directory.ts';
import type { Progress } from './progress.ts';
import { bytesText, tensorsText } from './words.ts';

export type ModelSource =
  | { readonly kind: 'file'; readonly path: string; readonly bytes: number }
  /** Of what the process of an image needs. */
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'catalogue'; readonly name: string }
  | { readonly kind: 'version'; readonly group: string; readonly version: number | null };

const versionPattern = /^([a-zA-Z0-9][a-zA-Z0-9-]*)\/([1-9]\d*)$/;

/**
 * Reads `catalogue:NAME`, `GROUP/VERSION`, the path of a file, or of a folder where there is an image for it, else the
 * name of a group (see `findVersion`).
 */
export async function readSource(
  text: string,
  { registersOnly, image }: { registersOnly: boolean; image?: string | undefined },
): Promise<ModelSource> {
  if (text.startsWith('catalogue:')) return { kind: 'catalogue', name: text.slice('catalogue:'.length) };
  const [, group, version] = versionPattern.exec(text) ?? [];
  if (!registersOnly && group !== undefined) return { kind: 'version', group, version: Number(version) };
  const found = await stat(text).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT' && cause.code !== 'ENOTDIR') throw new Failure(`${text} cannot be read: ${cause.message}`, 1, { cause });
    return null;
  });
  if (found?.isFile() === true) return { kind: 'file', path: text, bytes: found.size };
  if (found?.isDirectory() === true && image !== undefined) return { kind: 'directory', path: text };
  if (!registersOnly && !/[./\\]/.test(text)) return { kind: 'version', group: checkName('group', text), version: null };
  if (found?.isDirectory() === true) {
    throw new Failure(`${text} is a folder: say with --image NAME which process serves it, or name an ONNX file`);
  }
  const what = found === null ? `there is no file ${text}` : `${text} is not a file`;
  const forms = registersOnly ? 'FILE.onnx or catalogue:NAME' : 'FILE.onnx, GROUP/VERSION or catalogue:NAME';
  throw new Failure(`${what}: expected ${forms} (see \`penstock catalogue\`)`);
}

/** The name of group and endpoint where the user gives none: `models/digits_mlp.onnx` is `digits-mlp`. */
export function nameFor(source: ModelSource): string {
  if (source.kind === 'catalogue') return source.name;
  if (source.kind === 'version') return source.group;
  const name = basename(resolve(source.path))
    .replace(source.kind === 'directory' ? /$^/ : /(?:\.tar)?\.[^.]*$/, '')
    .replaceAll('_', '-');
  try {
    return checkName('endpoint', name);
  } catch (cause) {
    throw new Failure(`the file name '${basename(source.path)}' makes no name for an endpoint: give one with --name`, 2, { cause });
  }
}

export function versionPath(reference: string): string {
  const [, group, version] = versionPattern.exec(reference) ?? [];
  if (group === undefined) throw new Failure(`'${reference}' names no model version: expected GROUP/VERSION, such as digits/3`, 2);
  return `/groups/${part(group)}/versions/${version}`;
}

export interface RegistrationDetails {
  readonly description?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly metrics?: Readonly<Record<string, number>> | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** What serves it, and what variables that gets. */
  readonly image?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly reuse: boolean;
}

/** Registers a file or a model of the catalogue and tells each stage; finds a version that is registered. */
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
        ? await take(client, progress, source.name, group)
        : await upload(client, progress, source, group, details);
    const { version, reused } = registered;
    progress.done(reused ? `${version.name} has the same bytes` : `${version.name}: ${takesText(version)}`);
    for (const note of reused ? [] : version.notes) {
      progress.remark('note', note);
    }
    return registered;
  } catch (error) {
    progress.fail();
    throw error;
  }
}

function takesText({ runtime, signature }: VersionBody): string {
  return runtime.kind === 'process' ? `what ${runtime.image} takes` : tensorsText(signature.inputs).replaceAll('\n', ', ');
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
  progress.stage('upload', `${name} (${bytesText(source.kind === 'file' ? source.bytes : (directory?.bytes ?? 0))})`);
  const content = directory === null ? createReadStream(source.path, { highWaterMark: 1024 * 1024 }) : packDirectory(directory);
  const inspects = details.image === undefined ? 'a worker reads its signature and tries batches' : 'a worker looks through it';
  const text = (value: unknown): string | undefined => (value === undefined ? undefined : JSON.stringify(value));
  return client.post<RegisteredBody>(`/groups/${part(group)}/versions`, {
    query: {
      name,
      description: details.description,
      metadata: text(details.metadata),
      metrics: text(details.metrics),
      tags: text(details.tags),
      image: details.image,
      environment: text(details.env),
      reuse: details.reuse,
    },
    body: streamOf(content, () => progress.stage('inspect', `${name}: ${inspects}`)),
  });
}

/** Read as fast as the server takes it; `onEnd` when the last byte has gone. */
function streamOf(content: AsyncIterable<Uint8Array>, onEnd: () => void): ReadableStream<Uint8Array> {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield* content;
    onEnd();
  }
  return ReadableStream.from(chunks());
}

async function take(client: Client, progress: Progress, name: string, group: string): Promise<RegisteredBody> {
  progress.stage('inspect', `${name} from the catalogue`);
  const known = (await client.get<{ items: readonly CatalogueBody[] }>('/catalogue')).items;
  if (!known.some((entry) => entry.name === name)) {
    throw new Failure(`the catalogue has no '${name}', it has ${known.map((entry) => entry.name).join(', ')}`);
  }
  return client.post<RegisteredBody>(`/catalogue/${part(name)}/register`, { json: { group } });
}
