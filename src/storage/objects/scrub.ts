/**
 * Reads all objects once a week at a low rate to detect silent disk corruption. Objects are read in 256 groups per store, by the first two
 * digits of their address. The time of each group's last read is stored in `scrub.json`, so a restart continues where it was.
 */
import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { type Clock, repeat } from '../../clock.ts';
import { systemCode, writeFileAtomically } from '../../data-directory/index.ts';
import type { FileObjectStore } from './file-object-store.ts';
import type { StoreName } from './referenced-objects.ts';
import type { VerifiedFiles } from './verified-files.ts';

/** An object whose content no longer matches its address. */
export interface DamagedObject {
  readonly store: StoreName;
  readonly sha256: string;
  /** The SHA-256 of the content as read. */
  readonly actual: string;
}

/** What is read, and the callback for damaged objects. */
export interface ScrubDeps {
  readonly clock: Clock;
  readonly stores: Readonly<Record<StoreName, FileObjectStore>>;
  readonly files: VerifiedFiles;
  /** `scrub.json` in the data directory. */
  readonly progressFile: string;
  readonly onDamaged: (damaged: DamagedObject) => Promise<void>;
  readonly onFailure: (error: unknown) => void;
}

/** One day less than the promised week, for servers that are off at night. */
const periodMs = 6 * 86_400_000;
const tickMs = 60_000;
/** A few percent of a core and of a disk. The rate is higher only if a large store would otherwise not finish in time. */
const bytesPerSecondMin = 20 * 2 ** 20;
const groups = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));

/** Counts since the start of the server. */
export interface ScrubCounts {
  readonly objects: number;
  readonly bytes: number;
  readonly damaged: number;
}

/** One for all stores of a server. */
export class Scrub {
  readonly #deps: ScrubDeps;
  /** The time of the last read by group (`objects/ab`). */
  readonly #readAtMs: Map<string, number>;
  #end = async (): Promise<void> => undefined;
  #counts: ScrubCounts = { objects: 0, bytes: 0, damaged: 0 };
  #isClosed = false;

  constructor(deps: ScrubDeps) {
    this.#deps = deps;
    this.#readAtMs = readProgress(deps.progressFile, deps.clock.wallMs());
  }

  /** Starts checking once a minute for due groups. */
  open(): void {
    const { clock, onFailure } = this.#deps;
    this.#end = repeat(clock, tickMs, () => this.run(), onFailure);
  }

  /** Since the start of the server. */
  get counts(): ScrubCounts {
    return this.#counts;
  }

  /** The least recent read of all groups, in epoch milliseconds. */
  get oldestReadMs(): number {
    return Math.min(...this.#readAtMs.values());
  }

  /** Reads every due group. */
  async run(): Promise<void> {
    const { clock, progressFile } = this.#deps;
    while (!this.#isClosed) {
      const [key, readAtMs] = [...this.#readAtMs].reduce((oldest, each) => (each[1] < oldest[1] ? each : oldest));
      if (clock.wallMs() - readAtMs < periodMs) return;
      await this.#readGroup(key);
      this.#readAtMs.set(key, clock.wallMs());
      writeFileAtomically(progressFile, `${JSON.stringify(Object.fromEntries(this.#readAtMs))}\n`, { mode: 0o600 });
    }
  }

  close(): Promise<void> {
    this.#isClosed = true;
    return this.#end();
  }

  async #readGroup(key: string): Promise<void> {
    const { stores, files, onDamaged, onFailure } = this.#deps;
    const [store, group] = key.split('/') as [StoreName, string];
    const found: { sha256: string; path: string; bytes: number }[] = [];
    for await (const sha256 of stores[store].list(group)) {
      const path = stores[store].localPath(sha256);
      found.push({ sha256, path, bytes: await sizeOf(path) });
    }
    const total = found.reduce((sum, { bytes }) => sum + bytes, 0);
    // Groups are about equal in size: at twice the required rate all are read in half a period.
    const bytesPerSecond = Math.max(bytesPerSecondMin, (2 * 1000 * 2 * groups.length * total) / periodMs);
    for (const { sha256, path, bytes } of found) {
      if (this.#isClosed) return;
      try {
        const actual = await files.recheck(path, bytesPerSecond);
        const { objects, bytes: before, damaged } = this.#counts;
        this.#counts = { objects: objects + 1, bytes: before + bytes, damaged: damaged + (actual === null ? 0 : 1) };
        if (actual !== null) await onDamaged({ store, sha256, actual });
      } catch (error) {
        onFailure(error); // One unreadable file must not stop the scrub.
      }
    }
  }
}

/** Spreads groups that were never read over the first period. */
function readProgress(file: string, nowMs: number): Map<string, number> {
  let known: Record<string, unknown> = {};
  try {
    known = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  } catch {
    // Missing or damaged: all groups are read again.
  }
  const readAtMs = new Map<string, number>();
  for (const [i, group] of groups.entries()) {
    for (const store of ['objects', 'buckets'] as const) {
      const key = `${store}/${group}`;
      const atMs = known?.[key];
      readAtMs.set(key, typeof atMs === 'number' && atMs <= nowMs ? atMs : nowMs - (periodMs * i) / groups.length);
    }
  }
  return readAtMs;
}

/** 0 if the file no longer exists. */
async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return 0;
    throw error;
  }
}
