/** The bucket `penstock-models`: the files of all registered models, as `GROUP/N/model.onnx`, with their data files beside it. */
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { PlatformError } from '../../../errors.ts';
import type { ModelVersion, Registry } from '../../../registry/index.ts';
import type { ListedObject } from '../objects/listing.ts';
import type { ByteRange } from '../objects/object.ts';
import type { OpenObject } from '../objects/open-object.ts';
import type { ReadOnlyBucket } from './read-only-bucket.ts';

const name = 'penstock-models';
const pageSize = 100;

/** Shows the artifacts of the registry as objects; a file is verified before it is read. */
export class ModelBucket implements ReadOnlyBucket {
  readonly name = name;
  readonly createdAtMs: number;
  readonly #registry: Pick<Registry, 'groups' | 'versions' | 'version' | 'verifiedArtifactPath'>;

  /** `createdAtMs` is the creation date that the bucket reports. */
  constructor(registry: Pick<Registry, 'groups' | 'versions' | 'version' | 'verifiedArtifactPath'>, createdAtMs: number) {
    this.#registry = registry;
    this.createdAtMs = createdAtMs;
  }

  async objects(): Promise<ListedObject[]> {
    const objects: ListedObject[] = [];
    for await (const group of pages((offset) => this.#registry.groups({ limit: pageSize, offset }))) {
      const versions = pages((offset) => this.#registry.versions(group.name, { limit: pageSize, offset }));
      try {
        for await (const version of versions) objects.push(...listed(version));
      } catch (error) {
        if (!isNotFound(error)) throw error; // The group was deleted in the meantime.
      }
    }
    return objects;
  }

  async open(key: string): Promise<OpenObject | null> {
    const [, group = '', number = ''] = /^([^/]+)\/([1-9]\d{0,8})\/.+$/s.exec(key) ?? [];
    try {
      const version = await this.#registry.version(group, Number(number));
      const object = listed(version).find((candidate) => candidate.key === key);
      return object === undefined ? null : await this.#opened(version, object);
    } catch (error) {
      if (isNotFound(error)) return null;
      throw error;
    }
  }

  async #opened(version: ModelVersion, { key, bytes, etag: sha256, modifiedAtMs }: ListedObject): Promise<OpenObject> {
    const contentType = 'application/octet-stream';
    const file = version.artifact.files === undefined ? undefined : key.slice(folderOf(version).length);
    const path = await this.#registry.verifiedArtifactPath(version, file);
    return {
      bucket: name,
      key,
      id: sha256,
      bytes,
      etag: sha256,
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

/** A model with data files has an object for each of its files. */
function listed(version: ModelVersion): ListedObject[] {
  const { artifact, runtime, createdAtMs } = version;
  const files = artifact.files ?? [{ path: `model.${runtime.kind === 'onnx' ? 'onnx' : 'tar.gz'}`, ...artifact }];
  // The file's MD5 is unknown. The SHA-256 serves as ETag, because clients only compare ETags for equality.
  return files.map(({ path, sha256, bytes }) => ({ key: `${folderOf(version)}${path}`, bytes, etag: sha256, modifiedAtMs: createdAtMs }));
}

function folderOf({ group, version }: Pick<ModelVersion, 'group' | 'version'>): string {
  return `${group}/${version}/`;
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
