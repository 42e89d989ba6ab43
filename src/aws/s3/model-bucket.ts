/** `penstock-models`: the files of all registered models, as `GROUP/N/model.onnx`. */
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { PlatformError } from '../../errors.ts';
import type { ModelVersion, Registry } from '../../registry/index.ts';
import type { GivenBucket } from './given-bucket.ts';
import type { ListedObject } from './listing.ts';
import type { ByteRange } from './object.ts';
import type { OpenObject } from './open-object.ts';

const name = 'penstock-models';
const pageSize = 100;

export class ModelBucket implements GivenBucket {
  readonly name = name;
  readonly createdAtMs: number;
  readonly #registry: Pick<Registry, 'groups' | 'versions' | 'version' | 'artifactPath'>;

  /** `createdAtMs` is what it is told to be as old as. */
  constructor(registry: Pick<Registry, 'groups' | 'versions' | 'version' | 'artifactPath'>, createdAtMs: number) {
    this.#registry = registry;
    this.createdAtMs = createdAtMs;
  }

  async objects(): Promise<ListedObject[]> {
    const objects: ListedObject[] = [];
    for await (const group of pages((offset) => this.#registry.groups({ limit: pageSize, offset }))) {
      const versions = pages((offset) => this.#registry.versions(group.name, { limit: pageSize, offset }));
      try {
        for await (const version of versions) objects.push(listed(version));
      } catch (error) {
        if (!isNotFound(error)) throw error; // the group was deleted meanwhile
      }
    }
    return objects;
  }

  async open(key: string): Promise<OpenObject | null> {
    const [, group = '', number = ''] = /^([^/]+)\/([1-9]\d{0,8})\/[^/]+$/.exec(key) ?? [];
    try {
      const version = await this.#registry.version(group, Number(number));
      return keyOf(version) === key ? this.#opened(version) : null;
    } catch (error) {
      if (isNotFound(error)) return null;
      throw error;
    }
  }

  #opened(version: ModelVersion): OpenObject {
    const { key, bytes, etag, modifiedAtMs } = listed(version);
    const contentType = 'application/octet-stream';
    const { sha256 } = version.artifact;
    const path = this.#registry.artifactPath(version);
    return {
      bucket: name,
      key,
      id: sha256,
      bytes,
      etag,
      modifiedAtMs,
      contentType,
      parts: null,
      headers: { contentType },
      checksums: { sha256: Buffer.from(sha256, 'hex').toString('base64') },
      pieces: [{ position: 1, sha256, bytes, md5: '', checksums: {} }],
      stream: ({ start, end }: ByteRange = { start: 0, end: bytes }) =>
        start < end ? createReadStream(path, { start, end: end - 1 }) : Readable.from([]),
      close: () => undefined,
    };
  }
}

function listed(version: ModelVersion): ListedObject {
  const { artifact, createdAtMs } = version;
  // No md5 of the file is known. Clients compare an ETag with nothing but itself.
  return { key: keyOf(version), bytes: artifact.bytes, etag: artifact.sha256, modifiedAtMs: createdAtMs };
}

function keyOf({ group, version, runtime }: Pick<ModelVersion, 'group' | 'version' | 'runtime'>): string {
  return `${group}/${version}/model.${runtime.kind === 'onnx' ? 'onnx' : 'tar.gz'}`;
}

async function* pages<Item>(read: (offset: number) => Promise<readonly Item[]>): AsyncGenerator<Item> {
  for (let offset = 0; ; offset += pageSize) {
    const page = await read(offset);
    yield* page;
    if (page.length < pageSize) return;
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof PlatformError && (error.code === 'not_found' || error.code === 'invalid_request');
}
