/** Receives a training job: JSON alone, or a form with its spec, the archive of its source, and data. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { z } from 'zod';
import { documentLimits, parseJsonWithin } from '../../codecs/index.ts';
import { PlatformError } from '../../errors.ts';
import { readTar } from '../../tar/index.ts';
import { type AddedSource, trainingBucket, trainingLimits, uploadMark, uploadsFolder } from '../../training/index.ts';
import { uploadOf } from '../models/groups.ts';
import { boundaryOf, type FormPart, readForm } from '../routing/read-form.ts';
import type { ApiServices } from '../routing/services.ts';
import type { TrainingUploads } from './training-input.ts';

type Services = Pick<ApiServices, 'training' | 's3'>;

export interface ReceivedTraining<Input> extends TrainingUploads {
  readonly input: Input;
  /** Deletes the uploaded data and source, if no job is made of it. */
  discard(): Promise<void>;
}

const specBytesMax = 1024 * 1024;
const dataBytesMax = 5 * 1024 ** 3;
/** Files of one channel. */
const dataFilesMax = 10_000;

/** Throws `invalid_request`, `too_large`, `unsupported`. Nothing stays stored if it throws. */
export async function receiveTraining<Input>(
  services: Services,
  schema: z.ZodType<Input>,
  request: IncomingMessage,
  who: string,
): Promise<ReceivedTraining<Input>> {
  const { 'content-type': type, 'content-encoding': encoding } = request.headers;
  if (encoding !== undefined)
    throw new PlatformError('unsupported', 'content-encoding is not supported for training jobs: send the form unencoded');
  if (/^application\/json\s*(?:;|$)/i.test(type ?? '')) {
    const input = inputIn(schema, await textOf(uploadOf(request)));
    return { input, source: null, data: new Map(), discard: async () => undefined };
  }
  const data = new UploadedData(services.s3, who);
  try {
    return await readParts(services, schema, readForm(uploadOf(request), boundaryOf(type)), data);
  } catch (error) {
    await data.discard();
    throw error;
  }
}

async function readParts<Input>(
  { training }: Services,
  schema: z.ZodType<Input>,
  parts: AsyncIterable<FormPart>,
  data: UploadedData,
): Promise<ReceivedTraining<Input>> {
  let input: Input | null = null;
  let source: AddedSource | null = null;
  for await (const part of parts) {
    if (part.name === 'spec' && input === null) input = inputIn(schema, await textOf(part.content));
    else if (input === null) throw invalid(`expected the part spec first, got '${part.name.slice(0, 80)}'`);
    else if (part.name === 'source' && source === null) {
      source = await training.addSource(Readable.from(part.content));
      data.onDiscard(source.discard);
    } else if (part.name.startsWith('data.')) await data.add(part.name.slice('data.'.length), part);
    else throw invalid(`unexpected part '${part.name.slice(0, 80)}': expected one spec, one source, and data.CHANNEL for each channel`);
  }
  if (input === null) throw invalid('the form has no parts: expected spec');
  return { input, source: source === null ? null : { sha256: source.sha256 }, data: data.prefixes, discard: () => data.discard() };
}

function inputIn<Input>(schema: z.ZodType<Input>, text: string): Input {
  let value: unknown;
  try {
    value = parseJsonWithin(text, documentLimits);
  } catch (cause) {
    if (cause instanceof PlatformError) throw cause;
    throw new PlatformError('invalid_request', 'the spec of the training job is not JSON', { cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.slice(0, 5).map(({ path, message }) => `${['spec', ...path].join('.')}: ${message}`);
  throw invalid(problems.join('; ').slice(0, 1000));
}

async function textOf(content: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of content) {
    bytes += chunk.byteLength;
    if (bytes > specBytesMax)
      throw new PlatformError(
        'too_large',
        `the spec of the training job is larger than ${specBytesMax} bytes: send data in parts data.CHANNEL`,
      );
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Data that came with the request, as objects in the bucket of training. */
class UploadedData {
  readonly #s3: ApiServices['s3'];
  readonly #who: string;
  readonly #prefixes = new Map<string, string>();
  readonly #keys: string[] = [];
  readonly #others: (() => Promise<void>)[] = [];
  readonly #root = `${uploadsFolder}${randomUUID()}`;
  #hasBucket = false;
  #bytes = 0;

  constructor(s3: ApiServices['s3'], who: string) {
    this.#s3 = s3;
    this.#who = who;
  }

  get prefixes(): ReadonlyMap<string, string> {
    return this.#prefixes;
  }

  /** One file, or the files of a tar archive. */
  async add(channel: string, { fileName, content }: FormPart): Promise<void> {
    if (!/^[\w.-]{1,64}$/.test(channel) || this.#prefixes.size >= trainingLimits.channels)
      throw invalid(
        `'data.${channel.slice(0, 80)}' is not a channel: expected at most ${trainingLimits.channels} names of letters, digits, '.', '-', '_'`,
      );
    if (this.#prefixes.has(channel)) throw invalid(`two parts are data of channel '${channel}': send a tar archive of all its files`);
    const prefix = `${this.#root}/${channel}/`;
    this.#prefixes.set(channel, prefix);
    await this.#openBucket();
    if (fileName === null || !fileName.endsWith('.tar')) {
      await this.#put(prefix, fileName ?? 'data', content);
      return;
    }
    let files = 0;
    for await (const entry of readTar(content)) {
      if (entry.kind === 'directory') continue;
      if (entry.kind !== 'file') throw invalid(`'${entry.path.slice(0, 200)}' of channel '${channel}' is a link: expected files`);
      if (++files > dataFilesMax)
        throw new PlatformError('too_large', `channel '${channel}' has more than ${dataFilesMax} files: put them into a bucket`);
      await this.#put(prefix, entry.path.replace(/^\.\//, ''), entry.content);
    }
    if (files === 0) throw invalid(`the data of channel '${channel}' is an empty archive: expected at least one file`);
  }

  /** `discard` also calls this. */
  onDiscard(run: () => Promise<void>): void {
    this.#others.push(run);
  }

  async discard(): Promise<void> {
    for (const run of this.#others.splice(0)) await run();
    await this.#s3.deleteAll(trainingBucket, this.#keys.splice(0));
  }

  async #put(prefix: string, path: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    const isPath = path.length <= 512 && !/\p{Cc}|\\/u.test(path) && path.split('/').every((part) => !['', '.', '..'].includes(part));
    if (!isPath) throw invalid(`'${path.slice(0, 200)}' is not the path of a file: expected names separated by /, without ..`);
    const key = `${prefix}${path}`;
    this.#keys.push(key);
    await this.#s3.put(trainingBucket, key, this.#bounded(content), { headers: { writer: this.#who, metadata: uploadMark } });
  }

  async *#bounded(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of content) {
      this.#bytes += chunk.byteLength;
      if (this.#bytes > dataBytesMax)
        throw new PlatformError(
          'too_large',
          'the data of the training job is larger than 5 GiB: put it into a bucket, and name it as s3://bucket/prefix',
        );
      yield chunk;
    }
  }

  async #openBucket(): Promise<void> {
    if (this.#hasBucket) return;
    await ensureTrainingBucket(this.#s3, this.#who);
    this.#hasBucket = true;
  }
}

/** Creates the bucket of training, unless it exists. */
export async function ensureTrainingBucket(s3: ApiServices['s3'], who: string): Promise<void> {
  if ((await s3.bucket(trainingBucket)) !== null) return;
  await s3.createBucket(trainingBucket, who).catch(async (error: unknown) => {
    if ((await s3.bucket(trainingBucket)) === null) throw error; // else another request has just created it
  });
}

function invalid(message: string): PlatformError {
  return new PlatformError('invalid_request', message);
}
