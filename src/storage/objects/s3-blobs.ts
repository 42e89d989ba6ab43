/**
 * Blobs in a bucket of any S3-compatible store. Large ones are uploaded in parts, and downloads continue after a broken connection.
 *
 * Correctness does not rely on conditional writes, which many stores ignore. Checksums are sent only if S3 requires them, because older
 * stores reject the default of the SDK; each part is signed with its SHA-256 instead.
 */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import type { S3Client } from '@aws-sdk/client-s3';
import type { Clock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import { type Blob, type Blobs, blobParts, type NewBlob } from './blobs.ts';
import { missingObject } from './object-store.ts';
import { isMissingKey, s3FailureOf } from './s3-failures.ts';

type Sdk = typeof import('@aws-sdk/client-s3');

/** A parsed `s3://BUCKET/PREFIX?endpoint=URL`. */
export interface S3Location {
  readonly bucket: string;
  /** Without slashes at its ends; empty for the whole bucket. */
  readonly prefix: string;
  /** Null for the one that the AWS settings of the environment name. */
  readonly endpoint: string | null;
  readonly region: string | null;
}

/** Settings that tests make smaller. Servers use the defaults. */
export interface S3BlobsOptions {
  /** Default: those of the environment, as AWS's own tools find them. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Larger blobs are written in parts of this size. */
  readonly partBytes?: number;
  /** Keys per page of a listing. */
  readonly pageKeys?: number;
  /** Time without a byte after which a request is given up. */
  readonly silenceMs?: number;
}

const partBytesMin = 16 * 2 ** 20;
const pageKeysMax = 1000;
const partsMax = 10_000;
const partsAtOnce = 3;
/** S3 copies larger objects only in parts. */
const copyBytesMax = 5 * 2 ** 30;
const attemptsMax = 3;
const connectMs = 3000;
/** Without any byte sent or received. */
const silenceMsMax = 15_000;
const retryDelayMs = 200;

/** Opened by `open`, which loads the SDK: servers without S3 never load it. */
export class S3Blobs implements Blobs {
  readonly place: string;
  readonly #sdk: Sdk;
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #clock: Clock;

  readonly #partBytesMin: number;
  readonly #pageKeys: number;

  private constructor(sdk: Sdk, { bucket, prefix, endpoint, region }: S3Location, clock: Clock, options: S3BlobsOptions) {
    const { credentials, partBytes = partBytesMin, pageKeys = pageKeysMax, silenceMs = silenceMsMax } = options;
    this.#sdk = sdk;
    this.#partBytesMin = partBytes;
    this.#pageKeys = pageKeys;
    this.#clock = clock;
    this.#bucket = bucket;
    this.#prefix = prefix === '' ? '' : `${prefix}/`;
    this.place = `s3://${bucket}${prefix === '' ? '' : `/${prefix}`}`;
    this.#client = new sdk.S3Client({
      forcePathStyle: true,
      maxAttempts: attemptsMax,
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: { connectionTimeout: connectMs, socketTimeout: silenceMs },
      ...(credentials === undefined ? {} : { credentials }),
      ...(endpoint === null ? {} : { endpoint }),
      // Other stores ignore the region, but it is signed.
      ...(region === null ? (endpoint === null ? {} : { region: 'us-east-1' }) : { region }),
    });
  }

  /** Loads the SDK, which takes a moment, so servers without S3 never do. */
  static async open(location: S3Location, clock: Clock, options: S3BlobsOptions = {}): Promise<S3Blobs> {
    return new S3Blobs(await import('@aws-sdk/client-s3'), location, clock, options);
  }

  async write(key: string, blob: NewBlob): Promise<void> {
    const partBytes = Math.max(this.#partBytesMin, Math.ceil(blob.bytes / partsMax));
    if (blob.bytes > partBytes) return this.#writeParts(key, blob, partBytes);
    const { PutObjectCommand } = this.#sdk;
    for await (const Body of blobParts(blob, partBytes)) {
      await this.#call('write', () => this.#client.send(new PutObjectCommand({ ...this.#named(key), Body, ContentLength: blob.bytes })));
    }
  }

  async sizeOf(key: string): Promise<number | undefined> {
    const { HeadObjectCommand } = this.#sdk;
    try {
      const { ContentLength } = await this.#client.send(new HeadObjectCommand(this.#named(key)));
      return ContentLength ?? 0;
    } catch (error) {
      if (isMissingKey(error)) return undefined;
      throw s3FailureOf(error, `read ${key} in ${this.place}`);
    }
  }

  async *read(key: string, start: number, end: number): AsyncGenerator<Buffer> {
    let failures = 0;
    for (let at = start; at < end; ) {
      try {
        for await (const chunk of (await this.#range(key, at, end)) as AsyncIterable<Buffer>) {
          at += chunk.length;
          failures = 0;
          yield chunk;
        }
        if (at < end) throw new Error(`the answer ended after ${at - start} of ${end - start} bytes`);
      } catch (error) {
        if (error instanceof PlatformError || ++failures >= attemptsMax) throw s3FailureOf(error, `read ${key} in ${this.place}`);
        await new Promise<void>((resolve) => this.#clock.after(retryDelayMs * 2 ** failures, resolve));
      }
    }
  }

  async *list(prefix: string): AsyncGenerator<Blob> {
    const { ListObjectsV2Command } = this.#sdk;
    for (let token: string | undefined; ; ) {
      const next = token === undefined ? {} : { ContinuationToken: token };
      const page = new ListObjectsV2Command({ Bucket: this.#bucket, Prefix: this.#prefix + prefix, MaxKeys: this.#pageKeys, ...next });
      const { Contents = [], NextContinuationToken } = await this.#call('list', () => this.#client.send(page));
      for (const { Key = '', Size = 0, LastModified } of Contents) {
        yield { key: Key.slice(this.#prefix.length), bytes: Size, modifiedAtMs: LastModified?.getTime() ?? 0 };
      }
      if (NextContinuationToken === undefined) return;
      token = NextContinuationToken;
    }
  }

  async move(from: string, to: string): Promise<boolean> {
    const bytes = await this.sizeOf(from);
    if (bytes === undefined) return false;
    const source = `${this.#bucket}/${(this.#prefix + from).split('/').map(encodeURIComponent).join('/')}`;
    if (bytes > copyBytesMax) await this.#copyParts(source, to, bytes);
    else {
      const { CopyObjectCommand } = this.#sdk;
      await this.#call('copy', () => this.#client.send(new CopyObjectCommand({ ...this.#named(to), CopySource: source })));
    }
    await this.delete(from);
    return true;
  }

  async delete(key: string): Promise<void> {
    const { DeleteObjectCommand } = this.#sdk;
    await this.#call('delete', () => this.#client.send(new DeleteObjectCommand(this.#named(key))));
  }

  /** Aborts uploads that began before a time; their parts cost money and are invisible. */
  async sweepUploads(beforeMs: number): Promise<void> {
    const { ListMultipartUploadsCommand, AbortMultipartUploadCommand } = this.#sdk;
    const request = { Bucket: this.#bucket, Prefix: this.#prefix };
    // One page of a thousand: the next sweep finds the others.
    const { Uploads = [] } = await this.#call('list', () => this.#client.send(new ListMultipartUploadsCommand(request)));
    for (const { Key, UploadId, Initiated } of Uploads) {
      if ((Initiated?.getTime() ?? 0) >= beforeMs) continue;
      await this.#call('abort', () => this.#client.send(new AbortMultipartUploadCommand({ Bucket: this.#bucket, Key, UploadId })));
    }
  }

  async close(): Promise<void> {
    this.#client.destroy();
  }

  #named(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#bucket, Key: this.#prefix + key };
  }

  async #range(key: string, start: number, end: number): Promise<Readable> {
    const { GetObjectCommand } = this.#sdk;
    try {
      const { Body } = await this.#client.send(new GetObjectCommand({ ...this.#named(key), Range: `bytes=${start}-${end - 1}` }));
      assert(Body instanceof Readable, 'the SDK returns streams of Node.js');
      return Body;
    } catch (error) {
      if (isMissingKey(error)) throw missingObject(key);
      // The SDK has retried it.
      throw s3FailureOf(error, `read ${key} in ${this.place}`);
    }
  }

  #writeParts(key: string, blob: NewBlob, partBytes: number): Promise<void> {
    const { UploadPartCommand } = this.#sdk;
    return this.#multipart(key, async (UploadId) => {
      const parts: (string | undefined)[] = [];
      const running = new Set<Promise<void>>();
      let number = 0;
      try {
        for await (const Body of blobParts(blob, partBytes)) {
          const PartNumber = ++number;
          const part = { ...this.#named(key), UploadId, PartNumber, Body, ContentLength: Body.length };
          const sending = this.#client.send(new UploadPartCommand(part)).then(({ ETag }) => {
            parts[PartNumber - 1] = ETag;
            running.delete(sending);
          });
          running.add(sending);
          if (running.size >= partsAtOnce) await Promise.race(running);
        }
        await Promise.all(running);
      } finally {
        await Promise.allSettled(running);
      }
      return parts;
    });
  }

  #copyParts(CopySource: string, to: string, bytes: number): Promise<void> {
    const { UploadPartCopyCommand } = this.#sdk;
    return this.#multipart(to, async (UploadId) => {
      const parts: (string | undefined)[] = [];
      for (let start = 0; start < bytes; start += copyBytesMax) {
        const CopySourceRange = `bytes=${start}-${Math.min(start + copyBytesMax, bytes) - 1}`;
        const part = { ...this.#named(to), UploadId, PartNumber: parts.length + 1, CopySource, CopySourceRange };
        parts.push((await this.#client.send(new UploadPartCopyCommand(part))).CopyPartResult?.ETag);
      }
      return parts;
    });
  }

  /** `upload` returns the ETags of the parts. If it fails, the upload is aborted; a killed process leaves it to `sweepUploads`. */
  async #multipart(key: string, upload: (id: string | undefined) => Promise<(string | undefined)[]>): Promise<void> {
    const { CreateMultipartUploadCommand, CompleteMultipartUploadCommand, AbortMultipartUploadCommand } = this.#sdk;
    const { UploadId } = await this.#call('write', () => this.#client.send(new CreateMultipartUploadCommand(this.#named(key))));
    const named = { ...this.#named(key), UploadId };
    try {
      const Parts = (await upload(UploadId)).map((ETag, index) => ({ ETag, PartNumber: index + 1 }));
      await this.#client.send(new CompleteMultipartUploadCommand({ ...named, MultipartUpload: { Parts } }));
    } catch (error) {
      await this.#client.send(new AbortMultipartUploadCommand(named)).catch(() => undefined); // Report the original error.
      throw s3FailureOf(error, `write ${key} to ${this.place}`);
    }
  }

  async #call<T>(what: string, send: () => Promise<T>): Promise<T> {
    try {
      return await send();
    } catch (error) {
      throw s3FailureOf(error, `${what} objects in ${this.place}`);
    }
  }
}
