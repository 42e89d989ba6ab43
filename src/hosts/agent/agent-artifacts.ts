/**
 * Files of models on a host: fetched by their SHA-256 in ranges, from the home over the agent's link and from other hosts that have them, and
 * cached on the disk of the host.
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
import { type ObjectRange, rangeBytes } from '../link/object-ranges.ts';
import { copiesMax, type HomePeers } from '../link/peer-messages.ts';
import type { AgentLink } from './agent-link.ts';
import { type ObjectFile, PartialObjects } from './partial-objects.ts';
import type { PeerLinks } from './peer-links.ts';
import { PeerRanges, type PeerRangesDeps } from './peer-ranges.ts';

/** Files that are fetched at once, and ranges of each. */
const filesMax = 4;
const rangesMax = 4;
/** How long a transfer waits for a link. */
const linkMsMax = 60_000;
/** Ranges that are requested from the home at once, as it allows. */
const homeRangesMax = filesMax * rangesMax;
/** Smaller objects are fetched from the home before other hosts are found. */
const peerBytesMin = 8 * 2 ** 20;
const reportMs = 1000;
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
  /** Links to other hosts. Absent: all is fetched from the home. */
  readonly peers?: Pick<PeerLinks, 'range'>;
  /** Files that workers of this host load: they stay. */
  readonly inUse: () => ReadonlySet<string>;
}

type Ranges = Pick<AgentLink, 'range' | 'environment'> & { readonly peers?: HomePeers | null };

export class AgentArtifacts {
  readonly #options: AgentArtifactsOptions;
  readonly #cache: ObjectCache;
  readonly #transfers = new ConcurrencyLimiter(filesMax);
  readonly #fromHome = new ConcurrencyLimiter(homeRangesMax);
  readonly #partial: PartialObjects;
  #homeBytes = 0;
  #peerBytes = 0;
  #isReporting = false;
  #link: Ranges | null = null;
  readonly #waiting = new Set<() => void>();

  constructor(options: AgentArtifactsOptions) {
    const { folder, bytesMax, clock, verified, inUse } = options;
    this.#options = options;
    this.#partial = new PartialObjects(clock);
    const download = (sha256: string, path: string): AsyncIterable<Buffer> => this.#download(sha256, path);
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
    this.#reportCopies();
  }

  /** Received since the start: from the home, and from other hosts. */
  get received(): { readonly homeBytes: number; readonly peerBytes: number } {
    return { homeBytes: this.#homeBytes, peerBytes: this.#peerBytes };
  }

  /** The path of a verified copy. Rejects with `unavailable`, `forbidden` or `not_found`, and with `unavailable` if the disk is full. */
  async fetch(sha256: string): Promise<string> {
    try {
      return await this.#cache.fetch(sha256);
    } catch (error) {
      throw asDiskError(error, `store the object ${sha256} in ${this.#options.folder}`);
    } finally {
      this.#partial.end(sha256);
      this.#reportCopies();
    }
  }

  /** The archive of a Python environment: its home makes it if needed, which may take minutes. Rejects as `fetch`. */
  async environment(lock: string): Promise<FetchedArchive> {
    const { sha256, bytes, ...archive } = await this.#overLink((link) => link.environment(lock), { lock });
    if (bytes > archiveBytesMax)
      throw new PlatformError('too_large', `environment ${lock.slice(0, 12)} has ${bytes} bytes, which no host stores`);
    return { ...archive, path: await this.fetch(sha256), drop: () => this.#cache.remove(sha256) };
  }

  /** A file that has the range at `start`, for other hosts. Waits for it if it is being fetched. Rejects with `not_found` or `unavailable`. */
  async locate(sha256: string, start: number): Promise<ObjectFile> {
    const partial = await this.#partial.fileWith(sha256, start, rangeBytes);
    if (partial !== null) return partial;
    const path = await this.#cache.find(sha256);
    if (path === null) throw new PlatformError('not_found', `this host does not have the object ${sha256}`);
    return { path, size: null };
  }

  async *#download(sha256: string, path: string): AsyncGenerator<Buffer> {
    const leave = await this.#transfers.enter();
    try {
      let written = 0;
      for await (const { size, bytes } of this.#ranges(sha256)) {
        yield bytes;
        written += bytes.length;
        this.#partial.written(sha256, path, size, written);
      }
    } finally {
      leave();
    }
  }

  /** The first range is from the home: it says how large the object is. */
  async *#ranges(sha256: string): AsyncGenerator<ObjectRange> {
    const { clock } = this.#options;
    const beganMs = clock.nowMs();
    const first = await this.#range(sha256, 0);
    const { size, bytes } = first;
    if (size > objectBytesMax) throw new PlatformError('too_large', `the object ${sha256} has ${size} bytes, which no host stores`);
    yield first;
    if (bytes.length === 0) return;
    const step = bytes.length;
    const peers = await this.#peerRanges({ sha256, size, step, homeMs: clock.nowMs() - beganMs });
    try {
      yield* this.#rest({ sha256, step, size }, peers);
    } finally {
      peers?.close();
    }
  }

  /** Null if the object is read from the home alone: it is small, or this home or this host is not able to do otherwise. */
  async #peerRanges(object: Pick<PeerRangesDeps, 'sha256' | 'size' | 'step' | 'homeMs'>): Promise<PeerRanges | null> {
    const { clock, log, peers } = this.#options;
    const home = (): HomePeers | null => this.#link?.peers ?? null;
    if (peers === undefined || object.size < peerBytesMin || object.step !== rangeBytes || home() === null) return null;
    const { sha256 } = object;
    const ranges = new PeerRanges({
      ...object,
      clock,
      log,
      home,
      fromHome: (start) => this.#range(sha256, start),
      fromPeer: async (peer, start) => {
        const range = await peers.range(peer, sha256, start);
        this.#peerBytes += range.bytes.length;
        return range;
      },
    });
    await ranges.open();
    return ranges;
  }

  /** Some ranges ahead of the one that is written; all of them have the size of the first. */
  async *#rest(
    { sha256, step, size }: { readonly sha256: string; readonly step: number; readonly size: number },
    peers: PeerRanges | null,
  ): AsyncGenerator<ObjectRange> {
    const ahead: Promise<ObjectRange>[] = [];
    let next = step;
    while (next < size || ahead.length > 0) {
      while (next < size && ahead.length < (peers?.ahead(rangesMax) ?? rangesMax)) {
        const range = peers?.range(next) ?? this.#range(sha256, next);
        range.catch(() => undefined); // awaited in its turn
        ahead.push(range);
        next += step;
      }
      const range = (await ahead.shift()) as ObjectRange;
      const isExpected = range.size === size && range.bytes.length > 0;
      if (!isExpected) throw new PlatformError('unavailable', `the object ${sha256} changed while it was fetched`);
      yield range;
    }
  }

  /** Repeated over the next link if one breaks. */
  async #range(sha256: string, start: number): Promise<ObjectRange> {
    const leave = await this.#fromHome.enter();
    try {
      const range = await this.#overLink((link) => link.range(sha256, start), { sha256, start });
      this.#homeBytes += range.bytes.length;
      return range;
    } finally {
      leave();
    }
  }

  /** The home learns within a second what other hosts can read here. */
  #reportCopies(): void {
    if (this.#options.peers === undefined || this.#isReporting) return;
    this.#isReporting = true;
    const { clock, log } = this.#options;
    clock.after(reportMs, () => {
      this.#isReporting = false;
      this.#cache
        .copies(copiesMax)
        .then((copies) => this.#link?.peers?.hasCopies(copies))
        .catch((error: unknown) => log.warn({ error: messageOf(error) }, 'the copies of this host cannot be listed'));
    });
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
