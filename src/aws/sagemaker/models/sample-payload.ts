/** `SamplePayloadUrl` of a model package: the S3 URL of a sample request, and its content. */
import { createGunzip } from 'node:zlib';
import type { Clock } from '../../../clock.ts';
import { PlatformError } from '../../../errors.ts';
import type { SampleBody } from '../../../runtime/index.ts';
import type { Database } from '../../../storage/index.ts';
import { readTar } from '../../../tar/index.ts';
import type { S3Store } from '../../s3/objects/store.ts';
import { Documents } from '../documents.ts';
import { documentName, type PackageDocument } from './package-records.ts';

/** Limit of a sample; for an archive, of the extracted file. */
const bytesMax = 16 * 2 ** 20;
const types: Readonly<Record<string, string>> = { csv: 'text/csv', json: 'application/json', npy: 'application/x-npy' };

/** null if it was not set. */
export async function samplePayloadUrl(
  { db, clock }: { readonly db: Database; readonly clock: Clock },
  { group, version }: { readonly group: string; readonly version: number },
): Promise<string | null> {
  const stored = await new Documents({ db, clock }).find<PackageDocument>('model-package', documentName({ name: group, version }));
  const url = stored?.content.members.SamplePayloadUrl;
  return typeof url === 'string' ? url : null;
}

/** The sample at an S3 URL. Throws `not_found`, `unsupported` or `too_large` if it cannot be used. */
export async function readSamplePayload(s3: Pick<S3Store, 'open'>, url: string): Promise<SampleBody> {
  const [, bucket, key] = /^s3:\/\/([^/]+)\/(.+)$/.exec(url) ?? [];
  const object = bucket === undefined || key === undefined ? null : await s3.open(bucket, key);
  if (object === null || key === undefined)
    throw new PlatformError('not_found', `the sample payload ${url} is not in a bucket of this server`);
  // Errors and profiles tell of the sample, and who may register a model may not read what clients sent.
  if (object.headers.origin === 'input') {
    object.close();
    throw new PlatformError('forbidden', `the sample payload ${url} holds requests of clients: put a sample of your own`);
  }
  const content = object.stream() as AsyncIterable<Buffer>;
  if (!/\.(tar\.gz|tgz)$/.test(key)) return { contentType: typeOf(key), body: await whole(content, url) };
  for await (const entry of readTar(unzipped(content))) {
    if (entry.kind === 'file' && extensionOf(entry.path) in types)
      return { contentType: typeOf(entry.path), body: await whole(entry.content, url) };
  }
  throw new PlatformError('unsupported', `the archive ${url} holds no file that ends in .csv, .json or .npy`);
}

/** Decompresses a stream with back-pressure. */
async function* unzipped(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip();
  const feeding = (async () => {
    for await (const chunk of content) if (!gunzip.write(chunk)) await new Promise((resolve) => gunzip.once('drain', resolve));
    gunzip.end();
  })().catch((error: unknown) => gunzip.destroy(error as Error));
  yield* gunzip as AsyncIterable<Buffer>;
  await feeding;
}

function typeOf(name: string): string {
  const type = types[extensionOf(name)];
  if (type !== undefined) return type;
  throw new PlatformError('unsupported', `expected a sample payload that ends in .csv, .json or .npy, got ${name}`);
}

function extensionOf(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1).toLowerCase();
}

/** Collects a stream. Throws `too_large` above `bytesMax`. */
async function whole(content: AsyncIterable<Buffer>, url: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of content) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new PlatformError('too_large', `the sample payload ${url} has more than ${bytesMax / 2 ** 20} MiB`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
