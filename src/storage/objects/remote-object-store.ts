/**
 * Objects in S3 or PostgreSQL: `NAME/sha256/abcd…`, and in the trash `NAME/trash/1764288000000-abcd…`. New objects are written to a file of
 * this machine first, so that their address is known, then uploaded under it in one step; the file becomes a copy of the cache.
 *
 * Other servers may use the same blobs: therefore a sweep leaves objects of the last hour alone, which a registration elsewhere may be
 * about to reference.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Clock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import type { BackupMarks } from './backup-marks.ts';
import type { Blobs } from './blobs.ts';
import { ObjectCache } from './object-cache.ts';
import {
  missingObject,
  type ObjectStore,
  type ObjectTrash,
  type ReadableObject,
  type StagedObject,
  type StoredObject,
  type TrashedObject,
} from './object-store.ts';
import type { VerifiedFiles } from './verified-files.ts';

/** The blobs, and the cache through which objects are read. */
export interface RemoteObjectStoreOptions {
  readonly blobs: Blobs;
  /** Begins the names of its blobs: `objects`. */
  readonly name: string;
  readonly marks: Pick<BackupMarks, 'isRetained'>;
  /**
   * Whether removed objects always go to the trash. A server that was stopped for a while, and another took its place, may remove what the
   * new one has just stored again; the next sweep moves it back.
   */
  readonly isRemovalUndone: boolean;
  readonly clock: Clock;
  readonly verified: VerifiedFiles;
  /** A folder of this machine for copies, which no other process uses. */
  readonly cacheFolder: string;
  readonly cacheBytesMax: number;
}

/** Time in which a stored object gets its row. */
const strayAfterMs = 3_600_000;
/** No upload takes this long. */
const abandonedAfterMs = 24 * 3_600_000;
const chunkBytes = 256 * 1024;

export class RemoteObjectStore implements ObjectStore {
  readonly place: string;
  readonly trash: ObjectTrash;
  readonly cache: ObjectCache;
  readonly #options: RemoteObjectStoreOptions;
  readonly #blobs: Blobs;

  constructor(options: RemoteObjectStoreOptions) {
    const { blobs, name, clock, verified, cacheFolder, cacheBytesMax } = options;
    this.#options = options;
    this.#blobs = blobs;
    this.place = `${blobs.place}/${name}`;
    this.trash = new RemoteTrash(blobs, `${name}/trash/`);
    const download = (sha256: string): AsyncIterable<Buffer> => this.#download(sha256);
    const damaged = (sha256: string, actual: string): Error => damagedObject(sha256, actual, this.place);
    this.cache = new ObjectCache({ folder: cacheFolder, bytesMax: cacheBytesMax, clock, verified, download, damaged });
  }

  async put(
    source: AsyncIterable<Uint8Array> | Uint8Array,
    limitBytes = Number.POSITIVE_INFINITY,
    settling?: (sha256: string) => Promise<void>,
  ): Promise<StoredObject> {
    return this.keep(await this.stage(source, limitBytes), settling);
  }

  stage(source: AsyncIterable<Uint8Array> | Uint8Array, limitBytes = Number.POSITIVE_INFINITY): Promise<StagedObject> {
    return this.cache.staging.stage(source, limitBytes);
  }

  async keep(staged: StagedObject, settling?: (sha256: string) => Promise<void>): Promise<StoredObject> {
    const { path, sha256, bytes } = staged;
    try {
      await settling?.(sha256);
      // Also if it exists: this repairs a damaged one, and its new time protects it from sweeps of other servers.
      await this.#blobs.write(this.#key(sha256), { bytes, content: { file: path } });
      await this.cache.add(staged);
      return { sha256, bytes };
    } catch (error) {
      await rm(path, { force: true }).catch(() => undefined); // Report the original error, not a failed cleanup.
      throw error;
    }
  }

  drop(staged: StagedObject): Promise<void> {
    return this.cache.staging.drop(staged);
  }

  temporaryPath(): Promise<string> {
    return this.cache.staging.temporaryPath();
  }

  async has(sha256: string): Promise<boolean> {
    return (await this.#blobs.sizeOf(this.#key(sha256))) !== undefined;
  }

  async stat(sha256: string): Promise<StoredObject> {
    const bytes = await this.#blobs.sizeOf(this.#key(sha256));
    if (bytes === undefined) throw missingObject(sha256);
    return { sha256, bytes };
  }

  async read(sha256: string): Promise<Buffer> {
    const { bytes } = await this.stat(sha256);
    const chunks: Buffer[] = [];
    for await (const chunk of this.stream(sha256, 0, bytes)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  async *stream(sha256: string, start: number, end: number): AsyncGenerator<Buffer> {
    if (start >= end) return;
    const copy = this.#options.cacheBytesMax === 0 ? null : await this.cache.find(sha256);
    if (copy !== null) {
      yield* createReadStream(copy, { start, end: end - 1, highWaterMark: chunkBytes });
      return;
    }
    const whole = start === 0 ? createHash('sha256') : null;
    for await (const chunk of this.#blobs.read(this.#key(sha256), start, end)) {
      whole?.update(chunk);
      yield chunk;
    }
    if (whole === null || (await this.#blobs.sizeOf(this.#key(sha256))) !== end) return;
    const actual = whole.digest('hex');
    if (actual !== sha256) throw damagedObject(sha256, actual, this.place);
  }

  async fetch(sha256: string): Promise<string> {
    this.#key(sha256);
    return this.cache.fetch(sha256);
  }

  async readable(sha256: string): Promise<ReadableObject | null> {
    for (const find of [async () => this.#key(sha256), () => this.#trashedKey(sha256), async () => this.#key(sha256)]) {
      const key = await find();
      const bytes = key === null ? undefined : await this.#blobs.sizeOf(key);
      if (key !== null && bytes !== undefined) return { bytes, content: this.#blobs.read(key, 0, bytes) };
    }
    return null;
  }

  async *list(group = ''): AsyncGenerator<string> {
    for await (const { sha256 } of this.#listed(group)) yield sha256;
  }

  async *listForSweep(nowMs: number): AsyncGenerator<string> {
    for await (const { sha256, modifiedAtMs } of this.#listed('')) if (modifiedAtMs < nowMs - strayAfterMs) yield sha256;
  }

  async remove(sha256: string): Promise<void> {
    const { marks, isRemovalUndone } = this.#options;
    if (isRemovalUndone || (await marks.isRetained())) await this.moveToTrash(sha256, this.#options.clock.wallMs());
    else await this.#blobs.delete(this.#key(sha256));
    await this.cache.remove(sha256);
  }

  async moveToTrash(sha256: string, atMs: number): Promise<void> {
    await this.#blobs.move(this.#key(sha256), `${this.#options.name}/trash/${Math.round(atMs)}-${sha256}`);
    await this.cache.remove(sha256);
  }

  async restore(sha256: string): Promise<boolean> {
    const trashed = await this.#trashedKey(sha256);
    return trashed !== null && this.#blobs.move(trashed, this.#key(sha256));
  }

  async sweepTemporary(): Promise<void> {
    await this.cache.staging.sweepTemporary();
    await this.#blobs.sweepUploads(this.#options.clock.wallMs() - abandonedAfterMs);
  }

  async #trashedKey(sha256: string): Promise<string | null> {
    const latest = (await this.trash.list()).findLast((entry) => entry.sha256 === sha256);
    return latest === undefined ? null : `${this.#options.name}/trash/${latest.trashedAtMs}-${sha256}`;
  }

  async *#download(sha256: string): AsyncGenerator<Buffer> {
    const { bytes } = await this.stat(sha256);
    yield* this.#blobs.read(this.#key(sha256), 0, bytes);
  }

  async *#listed(group: string): AsyncGenerator<{ readonly sha256: string; readonly modifiedAtMs: number }> {
    const folder = `${this.#options.name}/sha256/`;
    for await (const { key, modifiedAtMs } of this.#blobs.list(folder + group)) {
      const sha256 = key.slice(folder.length);
      if (/^[0-9a-f]{64}$/.test(sha256)) yield { sha256, modifiedAtMs };
    }
  }

  #key(sha256: string): string {
    assert(/^[0-9a-f]{64}$/.test(sha256), `expected a SHA-256 of 64 hexadecimal digits, got ${JSON.stringify(sha256)}`);
    return `${this.#options.name}/sha256/${sha256}`;
  }
}

class RemoteTrash implements ObjectTrash {
  readonly #blobs: Blobs;
  readonly #prefix: string;

  constructor(blobs: Blobs, prefix: string) {
    this.#blobs = blobs;
    this.#prefix = prefix;
  }

  async list(): Promise<TrashedObject[]> {
    const entries: TrashedObject[] = [];
    for await (const { key, bytes } of this.#blobs.list(this.#prefix)) {
      const [, atMs, sha256] = /^(\d{1,16})-([0-9a-f]{64})$/.exec(key.slice(this.#prefix.length)) ?? [];
      if (atMs !== undefined && sha256 !== undefined) entries.push({ sha256, bytes, trashedAtMs: Number(atMs) });
    }
    return entries.sort((a, b) => a.trashedAtMs - b.trashedAtMs);
  }

  async delete({ sha256, trashedAtMs }: TrashedObject): Promise<void> {
    await this.#blobs.delete(`${this.#prefix}${trashedAtMs}-${sha256}`);
  }

  async freeBytes(): Promise<null> {
    return null;
  }
}

function damagedObject(expected: string, actual: string, place: string): PlatformError {
  return new PlatformError(
    'unavailable',
    `the object ${expected} in ${place} is damaged: expected the sha256 in its name, got ${actual}. It is not served; restore it from a backup, or register the model again`,
  );
}
