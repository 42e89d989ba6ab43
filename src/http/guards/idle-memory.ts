/**
 * Returns memory to the system while the server is idle (ADR 18).
 *
 * V8 enlarges its young generation under load, up to 128 MiB, and shrinks it when it collects its garbage and little was allocated lately. An
 * idle server allocates so little that no collection follows for a long time, so one is started. It takes a few milliseconds.
 *
 * glibc returns only the ends of its heaps by itself. The pages in between, which large bodies leave free, are returned by `trim`.
 */
import { performance } from 'node:perf_hooks';
import { getHeapSpaceStatistics } from 'node:v8';
import { type Clock, every } from '../../clock.ts';

/** Readings and actions on the process, injected for tests. */
export interface IdleMemoryOptions {
  readonly clock: Clock;
  /** The share of the time since the previous call in which the event loop was busy, from 0 to 1. */
  readonly loopShare: () => number;
  /** Memory that the young generation takes. */
  readonly youngBytes: () => number;
  /** Collects the garbage of the young generation. */
  readonly collectYoung: () => void;
  /** Memory of the process. */
  readonly rssBytes: () => number;
  /** Returns free pages to the system. */
  readonly trim: () => Promise<void>;
  /** The same, at once: for a server that does not serve yet, because it blocks the event loop. */
  readonly trimNow: () => void;
}

const checkEveryMs = 10_000;
/** An event loop that was busy for longer counts as loaded: memory that is used again soon is not returned. */
const idleShareMax = 0.1;
/** A smaller young generation is left as it is. */
const youngBytesMin = 8 * 2 ** 20;
/** Growth since the last trim that is worth another one, which starts a thread. */
const grownBytesMin = 16 * 2 ** 20;
const trimEveryMs = 30_000;

/** Looks every ten seconds whether the server is idle. */
export class IdleMemory {
  readonly #options: IdleMemoryOptions;
  /** Whether a collection since the last load did not shrink the young generation. */
  #isSmallest = false;
  /** After the last trim. */
  #trimmedBytes = 0;
  #trimmedAtMs = Number.NEGATIVE_INFINITY;
  #isTrimming = false;
  #cancel: () => void = () => {};

  constructor(options: IdleMemoryOptions) {
    this.#options = options;
  }

  /** Returns what loading the server has left, in a few milliseconds. */
  start(): void {
    const { collectYoung, trimNow, loopShare } = this.#options;
    collectYoung();
    trimNow();
    this.#trimmed();
    loopShare();
    this.#cancel = every(this.#options.clock, checkEveryMs, () => void this.check());
  }

  stop(): void {
    this.#cancel();
  }

  async check(): Promise<void> {
    if (this.#options.loopShare() > idleShareMax) {
      this.#isSmallest = false;
      return;
    }
    this.#collect();
    await this.#trim();
  }

  #collect(): void {
    const { youngBytes, collectYoung } = this.#options;
    const before = youngBytes();
    if (this.#isSmallest || before < youngBytesMin) return;
    collectYoung();
    this.#isSmallest = youngBytes() >= before;
  }

  async #trim(): Promise<void> {
    const { clock, rssBytes, trim } = this.#options;
    const isRecent = clock.nowMs() - this.#trimmedAtMs < trimEveryMs;
    if (this.#isTrimming || isRecent || rssBytes() < this.#trimmedBytes + grownBytesMin) return;
    this.#isTrimming = true;
    await trim().catch(() => undefined); // the server stops, or no thread could be started: the next check tries again
    this.#isTrimming = false;
    this.#trimmed();
  }

  #trimmed(): void {
    const { clock, rssBytes } = this.#options;
    this.#trimmedAtMs = clock.nowMs();
    this.#trimmedBytes = rssBytes();
  }
}

const youngSpaces: readonly string[] = ['new_space', 'new_large_object_space'];

/** Of this thread. */
export function youngGenerationBytes(): number {
  return getHeapSpaceStatistics()
    .filter(({ space_name: name }) => youngSpaces.includes(name))
    .reduce((sum, { physical_space_size: bytes }) => sum + bytes, 0);
}

/** Of this thread; each meter measures on its own. */
export function loopMeter(): () => number {
  let last = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    return utilization;
  };
}
