/**
 * Files of models on a host: fetched from the home by their SHA-256, in ranges over the agent's link, and cached on the disk of the host.
 * A transfer that loses its link goes on with the next home where it was.
 */

import type { Clock } from '../../clock.ts';
import { asDiskError } from '../../data-directory/index.ts';
import type { FetchedArchive } from '../../environments/index.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import { ConcurrencyLimiter } from '../../providers/index.ts';
import { WorkerLost } from '../../runtime/index.ts';
import { ObjectCache, type VerifiedFiles } from '../../storage/index.ts';
import type { AgentLink, ObjectRange } from './agent-link.ts';

/** Files that are fetched at once, and ranges of each. */
const filesMax = 4;
const rangesMax = 4;
/** How long a transfer waits for a link. */
const linkMsMax = 60_000;
/** No model file is larger: 1 TiB. */
const objectBytesMax = 2 ** 40;
/** As the environments of the home are limited while they are built. */
const archiveBytesMax = 20 * 2 ** 30;

export interface AgentArtifactsOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly folder: string;
  /** Copies beyond it are deleted, those that no worker uses. */
  readonly bytesMax: number;
  readonly verified: VerifiedFiles;
  /** Files that workers of this host load: they stay. */
  readonly inUse: () => ReadonlySet<string>;
}

type Ranges = Pick<AgentLink, 'range' | 'environment'>;

export class AgentArtifacts {
  readonly #options: AgentArtifactsOptions;
  readonly #cache: ObjectCache;
  readonly #transfers = new ConcurrencyLimiter(filesMax);
  #link: Ranges | null = null;
  readonly #waiting = new Set<() => void>();

  constructor(options: AgentArtifactsOptions) {
    const { folder, bytesMax, clock, verified, inUse } = options;
    this.#options = options;
    const download = (sha256: string): AsyncIterable<Buffer> => this.#download(sha256);
    const damaged = (sha256: string, actual: string): Error =>
      new PlatformError('unavailable', `the home sent the object ${sha256} damaged: expected the sha256 in its name, got ${actual}`);
    const isHeld = (sha256: string): boolean => inUse().has(sha256);
    this.#cache = new ObjectCache({ folder, bytesMax, clock, verified, download, damaged, isHeld });
  }

  /** Deletes partial files of a killed agent. */
  async open(): Promise<void> {
    await this.#cache.staging.sweepTemporary();
  }

  /** The link of the present home; null while there is none. */
  setLink(link: Ranges | null): void {
    this.#link = link;
    if (link === null) return;
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** The path of a verified copy. Rejects with `unavailable`, `forbidden` or `not_found`, and with `unavailable` if the disk is full. */
  async fetch(sha256: string): Promise<string> {
    try {
      return await this.#cache.fetch(sha256);
    } catch (error) {
      throw asDiskError(error, `store the object ${sha256} in ${this.#options.folder}`);
    }
  }

  /** The archive of a Python environment: its home makes it if needed, which may take minutes. Rejects as `fetch`. */
  async environment(lock: string): Promise<FetchedArchive> {
    const { sha256, bytes, ...archive } = await this.#overLink((link) => link.environment(lock), { lock });
    if (bytes > archiveBytesMax)
      throw new PlatformError('too_large', `environment ${lock.slice(0, 12)} has ${bytes} bytes, which no host stores`);
    return { ...archive, path: await this.fetch(sha256), drop: () => this.#cache.remove(sha256) };
  }

  async *#download(sha256: string): AsyncGenerator<Buffer> {
    const leave = await this.#transfers.enter();
    try {
      const { size, bytes } = await this.#range(sha256, 0);
      if (size > objectBytesMax) throw new PlatformError('too_large', `the object ${sha256} has ${size} bytes, which no host stores`);
      yield bytes;
      if (bytes.length === 0) return;
      yield* this.#rest(sha256, bytes.length, size);
    } finally {
      leave();
    }
  }

  /** Some ranges ahead of the one that is written; all of them have the size of the first. */
  async *#rest(sha256: string, step: number, size: number): AsyncGenerator<Buffer> {
    const ahead: Promise<ObjectRange>[] = [];
    let next = step;
    while (next < size || ahead.length > 0) {
      while (next < size && ahead.length < rangesMax) {
        const range = this.#range(sha256, next);
        range.catch(() => undefined); // awaited in its turn
        ahead.push(range);
        next += step;
      }
      const { size: sizeNow, bytes } = (await ahead.shift()) as ObjectRange;
      const isExpected = sizeNow === size && bytes.length > 0;
      if (!isExpected) throw new PlatformError('unavailable', `the object ${sha256} changed while it was fetched`);
      yield bytes;
    }
  }

  /** Repeated over the next link if one breaks. */
  #range(sha256: string, start: number): Promise<ObjectRange> {
    return this.#overLink((link) => link.range(sha256, start), { sha256, start });
  }

  async #overLink<T>(ask: (link: Ranges) => Promise<T>, what: object): Promise<T> {
    for (;;) {
      const link = this.#link ?? (await this.#linked());
      try {
        return await ask(link);
      } catch (error) {
        if (!(error instanceof WorkerLost)) throw error;
        this.#options.log.info({ ...what, error: messageOf(error) }, 'a transfer continues with the next link');
        if (this.#link === link) this.#link = null;
      }
    }
  }

  #linked(): Promise<Ranges> {
    return new Promise((resolve, reject) => {
      const wake = (): void => {
        cancel();
        if (this.#link !== null) resolve(this.#link);
        else reject(new PlatformError('unavailable', 'the host has no link to the home: the file cannot be fetched'));
      };
      const cancel = this.#options.clock.after(linkMsMax, () => {
        this.#waiting.delete(wake);
        wake();
      });
      this.#waiting.add(wake);
    });
  }
}
