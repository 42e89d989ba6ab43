/** What a model was registered with as a sample of what it takes: rows of the catalogue, or the file that `SamplePayloadUrl` of a package names. */
import { readFile } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { type S3Store, samplePayloadUrl } from '../aws/index.ts';
import type { Clock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import type { ModelVersion, Registry } from '../registry/index.ts';
import type { Database } from '../storage/index.ts';
import { readTar } from '../tar/index.ts';

export interface RegistrationSample {
  readonly contentType: string;
  readonly body: Buffer;
  /** A column of a CSV that is the answer, not an input. */
  readonly label?: string;
}

export interface SampleSources {
  readonly db: Database;
  readonly clock: Clock;
  readonly registry: Pick<Registry, 'catalogue'>;
  readonly s3: Pick<S3Store, 'open'>;
}

const bytesMax = 16 * 2 ** 20;
const types: Readonly<Record<string, string>> = { csv: 'text/csv', json: 'application/json', npy: 'application/x-npy' };

/** Null where it came without one. Throws `not_found`, `unsupported`, `too_large` where there is one that cannot be used. */
export async function registrationSample(sources: SampleSources, version: ModelVersion): Promise<RegistrationSample | null> {
  const { catalogue } = sources.registry;
  const known = catalogue.entries.find(({ name }) => name === version.metadata.catalogue);
  if (known !== undefined) {
    return { contentType: 'text/csv', body: await readFile(catalogue.sampleRowsPath(known)), label: known.labelColumn };
  }
  const url = await samplePayloadUrl(sources, version);
  return url === null ? null : readPayload(sources.s3, url);
}

async function readPayload(s3: SampleSources['s3'], url: string): Promise<RegistrationSample> {
  const [, bucket, key] = /^s3:\/\/([^/]+)\/(.+)$/.exec(url) ?? [];
  const object = bucket === undefined || key === undefined ? null : await s3.open(bucket, key);
  if (object === null || key === undefined)
    throw new PlatformError('not_found', `the sample payload ${url} is not in a bucket of this server`);
  const content = object.stream() as AsyncIterable<Buffer>;
  if (!/\.(tar\.gz|tgz)$/.test(key)) return { contentType: typeOf(key), body: await whole(content, url) };
  for await (const entry of readTar(unzipped(content))) {
    if (entry.kind === 'file' && extensionOf(entry.path) in types)
      return { contentType: typeOf(entry.path), body: await whole(entry.content, url) };
  }
  throw new PlatformError('unsupported', `the archive ${url} holds no file that ends in .csv, .json or .npy`);
}

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
