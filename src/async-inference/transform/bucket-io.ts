/** Objects of buckets as inputs and outputs of transforms. */
import type { Readable } from 'node:stream';
import { readS3Manifest } from '../../codecs/index.ts';
import { PlatformError } from '../../errors.ts';
import type { Transaction } from '../../storage/index.ts';
import {
  emptyPrefix,
  type OpenedSource,
  objectsMax,
  type ResultPiece,
  type SourceObject,
  type TransformInput,
  type TransformOutput,
  tooManyObjects,
  type WriteOptions,
} from './transform-io.ts';

/** Object storage, injected. */
export interface TransformBuckets {
  bucket(name: string): Promise<unknown>;
  open(bucket: string, key: string): Promise<OpenedBucketObject | null>;
  list(
    bucket: string,
    options: { readonly prefix: string; readonly from?: ListFrom | undefined; readonly itemsMax: number },
  ): Promise<{ readonly objects: readonly { readonly key: string; readonly bytes: number }[]; readonly next: ListFrom | null }>;
  put(
    bucket: string,
    key: string,
    source: AsyncIterable<Uint8Array>,
    options: {
      readonly headers: { readonly contentType: string; readonly origin: 'output' };
      readonly transactionHook: (tx: Transaction) => Promise<void>;
    },
  ): Promise<unknown>;
}

interface OpenedBucketObject {
  readonly bytes: number;
  readonly etag: string;
  stream(range?: { readonly start: number; readonly end: number }): Readable;
  close(): void;
}

interface ListFrom {
  readonly key: string;
  readonly inclusive: boolean;
}

const listedAtOnce = 1000;
const manifestBytesMax = 16 * 2 ** 20;

/** Objects under a prefix, listed page by page. */
export class BucketInput implements TransformInput {
  readonly #buckets: TransformBuckets;
  readonly #bucket: string;
  readonly #prefix: string;
  /** Common prefix of the keys. It is not part of the object names. */
  readonly #folder: string;

  constructor(buckets: TransformBuckets, { bucket, prefix }: { readonly bucket: string; readonly prefix: string }) {
    this.#buckets = buckets;
    this.#bucket = bucket;
    this.#prefix = prefix;
    this.#folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  }

  async list(): Promise<SourceObject[]> {
    const where = `s3://${this.#bucket}/${this.#prefix}`;
    if ((await this.#buckets.bucket(this.#bucket)) === null) throw new PlatformError('not_found', `there is no bucket ${this.#bucket}`);
    const objects: SourceObject[] = [];
    for (let from: ListFrom | undefined; ; ) {
      const page = await this.#buckets.list(this.#bucket, { prefix: this.#prefix, from, itemsMax: listedAtOnce });
      // A key with a trailing slash is a folder marker.
      for (const { key, bytes } of page.objects) if (!key.endsWith('/')) objects.push({ name: key.slice(this.#folder.length), bytes });
      if (objects.length > objectsMax) throw tooManyObjects(where);
      if (page.next === null) break;
      from = page.next;
    }
    if (objects.length === 0) throw emptyPrefix(where);
    return objects;
  }

  async open(name: string): Promise<OpenedSource | null> {
    const object = await this.#buckets.open(this.#bucket, this.#folder + name);
    if (object === null) return null;
    const { bytes, etag } = object;
    return {
      bytes,
      identity: `${etag} ${bytes}`,
      stream: (offset) => (offset === 0 ? object.stream() : object.stream({ start: Math.min(offset, bytes), end: bytes })),
      close: () => object.close(),
    };
  }
}

/** The objects that a manifest names: `[{"prefix": "s3://bucket/folder/"}, "a.csv", "b.csv"]`. */
export class ManifestInput implements TransformInput {
  readonly #buckets: TransformBuckets;
  readonly #bucket: string;
  readonly #key: string;
  #read: Promise<{
    readonly input: BucketInput;
    readonly bucket: string;
    readonly prefix: string;
    readonly names: readonly string[];
  }> | null = null;

  constructor(buckets: TransformBuckets, { bucket, prefix }: { readonly bucket: string; readonly prefix: string }) {
    this.#buckets = buckets;
    this.#bucket = bucket;
    this.#key = prefix;
  }

  async list(): Promise<SourceObject[]> {
    const { input, names } = await this.#manifest();
    const objects: SourceObject[] = [];
    for (const name of names) {
      const opened = await input.open(name);
      if (opened === null) throw new PlatformError('not_found', `the manifest names ${name.slice(0, 200)}, which does not exist`);
      objects.push({ name, bytes: opened.bytes });
      opened.close();
    }
    return objects;
  }

  async open(name: string): Promise<OpenedSource | null> {
    return (await this.#manifest()).input.open(name);
  }

  #manifest() {
    this.#read ??= this.#readManifest();
    return this.#read;
  }

  async #readManifest() {
    const where = `s3://${this.#bucket}/${this.#key}`;
    const object = await this.#buckets.open(this.#bucket, this.#key);
    if (object === null) throw new PlatformError('not_found', `there is no manifest ${where}`);
    if (object.bytes > manifestBytesMax) {
      object.close();
      throw new PlatformError('too_large', `the manifest ${where} is too large: expected at most ${manifestBytesMax} bytes`);
    }
    const pieces: Buffer[] = [];
    for await (const piece of object.stream() as AsyncIterable<Buffer>) pieces.push(piece);
    const { bucket, prefix, keys } = await readManifest(where, Buffer.concat(pieces).toString('utf8'));
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    const names = keys.map((key) => (prefix + key).slice(folder.length));
    return { input: new BucketInput(this.#buckets, { bucket, prefix }), bucket, prefix, names };
  }
}

async function readManifest(
  where: string,
  text: string,
): Promise<{ readonly bucket: string; readonly prefix: string; readonly keys: readonly string[] }> {
  const { prefix: at, names: keys } = await readS3Manifest(text, objectsMax).catch((cause: unknown) => {
    if (cause instanceof PlatformError && cause.code === 'too_large') throw tooManyObjects(where);
    throw invalidManifest(where, cause);
  });
  const [, bucket, prefix] = /^s3:\/\/([^/]+)\/?(.*)$/s.exec(at) ?? [];
  if (bucket === undefined || prefix === undefined || keys.length === 0) throw invalidManifest(where);
  return { bucket, prefix, keys };
}

function invalidManifest(where: string, cause?: unknown): PlatformError {
  return new PlatformError('invalid_request', `invalid manifest ${where}: expected [{"prefix": "s3://bucket/folder/"}, "key", …]`, {
    cause,
  });
}

/** An object appears when it is complete, in the transaction that marks it done. */
export class BucketOutput implements TransformOutput {
  readonly hasCheckpoints = false;
  readonly #buckets: TransformBuckets;
  readonly #bucket: string;
  readonly #prefix: string;

  constructor(buckets: TransformBuckets, { bucket, prefix }: { readonly bucket: string; readonly prefix: string }) {
    this.#buckets = buckets;
    this.#bucket = bucket;
    this.#prefix = prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`;
  }

  async check(): Promise<void> {
    if ((await this.#buckets.bucket(this.#bucket)) === null) {
      throw new PlatformError('not_found', `there is no bucket ${this.#bucket} for the results: create it first`);
    }
  }

  async holds(): Promise<boolean> {
    return false;
  }

  async write(name: string, pieces: AsyncIterable<ResultPiece>, { contentType, transactionHook }: WriteOptions): Promise<void> {
    await this.#buckets.put(this.#bucket, `${this.#prefix}${name}.out`, bytesOf(pieces), {
      headers: { contentType, origin: 'output' },
      transactionHook,
    });
  }
}

/** Copies each piece, because the storage may buffer it while it reads the next one. */
async function* bytesOf(pieces: AsyncIterable<ResultPiece>): AsyncGenerator<Buffer> {
  for await (const { output } of pieces) if (output.length > 0) yield Buffer.from(output as Buffer);
}
