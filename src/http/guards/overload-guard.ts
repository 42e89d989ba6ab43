/**
 * Keeps the process alive when memory runs short. Under high pressure, new large bodies are rejected. Under critical
 * pressure, the largest request in memory is failed as well, one at a time, until there is enough memory.
 */
import { totalmem } from 'node:os';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Clock, every } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import type { BodyBudget, BodyHold } from '../bodies/body-budget.ts';

/** What is measured, and what can be done about it. */
export interface OverloadGuardOptions {
  readonly clock: Clock;
  readonly budget: BodyBudget;
  readonly log: Pick<Log, 'warn' | 'info'>;
  readonly memoryUse: () => ServerMemory;
  /** Starts a garbage collection, to release unused memory that was not collected yet. */
  readonly collectGarbage: () => void;
}

const checkEveryMs = 100;
/** Time for a failed request to respond by itself, and for its memory to be released, before another one is failed. */
const settleMs = 500;
/** Failing smaller requests would not help. */
const failFromBytes = 256 * 1024;
/** A full collection blocks the event loop. */
const collectEveryMs = 30_000;

/** Acts on the memory in use, not on what bodies claim. */
export class OverloadGuard {
  readonly #options: OverloadGuardOptions;
  #pressure: Pressure = 'normal';
  #reason = '';
  #failed = 0;
  #failing: { readonly hold: BodyHold; readonly sinceMs: number } | null = null;
  #collectedAtMs = Number.NEGATIVE_INFINITY;
  #cancel: () => void = () => {};

  constructor(options: OverloadGuardOptions) {
    this.#options = options;
  }

  start(): void {
    this.#cancel = every(this.#options.clock, checkEveryMs, () => this.check());
  }

  stop(): void {
    this.#cancel();
  }

  get pressure(): Pressure {
    return this.#pressure;
  }

  /** The reason of the pressure, as text. */
  get reason(): string {
    return this.#reason;
  }

  /** Counter of requests failed to release memory. */
  get failed(): number {
    return this.#failed;
  }

  /**
   * Measures memory and applies the level. While it is critical, one request fails at a time, so that the effect of each is seen before the
   * next.
   */
  check(): void {
    const { budget, memoryUse } = this.#options;
    const before = this.#pressure;
    const { pressure, reason } = pressureOf(memoryUse(), before);
    this.#pressure = pressure;
    this.#reason = reason;
    budget.rejectAbove(bodyBytesMaxAt[pressure], reason);
    if (pressure !== before) this.#report(before);
    if (pressure !== 'normal') this.#collect();
    this.#settleFailing();
    if (pressure === 'critical' && this.#failing === null) this.#failLargest();
  }

  #report(before: Pressure): void {
    const { log } = this.#options;
    const detail = { pressure: this.#pressure, before };
    if (this.#pressure === 'normal') log.info(detail, `memory pressure is over: ${this.#reason}`);
    else log.warn(detail, `memory pressure is ${this.#pressure}: ${this.#reason}; large bodies are rejected`);
  }

  #collect(): void {
    const nowMs = this.#options.clock.nowMs();
    if (nowMs - this.#collectedAtMs < collectEveryMs) return;
    this.#collectedAtMs = nowMs;
    this.#options.collectGarbage();
  }

  #failLargest(): void {
    const { budget, clock, log } = this.#options;
    const hold = budget.largest();
    if (hold === null || hold.bytes < failFromBytes) return;
    log.warn({ bytes: hold.bytes, route: hold.route }, `failed the largest request to release memory: ${this.#reason}`);
    hold.fail(
      new PlatformError('unavailable', `the server is short of memory, and this was its largest request: ${this.#reason}`, {
        hint: 'retry later, or send smaller parts',
        retryAfterMs: 5000,
      }),
    );
    this.#failed++;
    this.#failing = { hold, sinceMs: clock.nowMs() };
  }

  #settleFailing(): void {
    if (this.#failing === null || this.#options.clock.nowMs() - this.#failing.sinceMs < settleMs) return;
    this.#failing.hold.cutOff();
    this.#failing = null;
  }
}

/** Default share of the machine's memory for this process: the rest is for workers and the system. */
const shareOfMachine = 0.9;

/** `memoryLimitBytes`: null for 90 % of the memory of the container or the machine. */
export function memoryMeter(memoryLimitBytes: number | null): () => ServerMemory {
  const constrained = process.constrainedMemory();
  const availableBytes = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
  const rssLimitBytes = memoryLimitBytes ?? availableBytes * shareOfMachine;
  return () => {
    const { used_heap_size: heapUsedBytes, heap_size_limit: heapLimitBytes } = getHeapStatistics();
    return { heapUsedBytes, heapLimitBytes, rssBytes: process.memoryUsage.rss(), rssLimitBytes };
  };
}

/** Collections that the server may start by itself. */
export interface GarbageCollector {
  /** Starts a collection of all garbage. */
  readonly all: () => void;
  /** Collects the garbage of the young generation, in a few milliseconds. */
  readonly young: () => void;
}

type CollectOptions = { readonly type: 'major' | 'minor'; readonly execution: 'sync' | 'async' };

/** V8 exposes `gc` only with a flag. */
export function garbageCollector(): GarbageCollector {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options: CollectOptions) => unknown;
  setFlagsFromString('--no-expose-gc');
  return {
    all: () => void collect({ type: 'major', execution: 'async' }),
    young: () => void collect({ type: 'minor', execution: 'sync' }),
  };
}

/** Decides, from the memory in use, how much the server may still accept. Pure. */

/** Two limits: that of V8's heap, and that of the process. */
export interface ServerMemory {
  readonly heapUsedBytes: number;
  /** V8 ends the process if its heap grows above this. */
  readonly heapLimitBytes: number;
  readonly rssBytes: number;
  /** The kernel may end the process above this. */
  readonly rssLimitBytes: number;
}

/** How short memory is. */
export type Pressure = 'normal' | 'high' | 'critical';

interface PressureReading {
  readonly pressure: Pressure;
  /** Names the memory that is closest to its limit. */
  readonly reason: string;
}

/** Shares of a limit. Above `critical` V8 spends most of its time collecting garbage, and one more large body may end the process. */
const shares = { high: 0.85, critical: 0.93 } as const;
/** A level ends this far below its starting share, so that it does not flap. */
const hysteresis = 0.05;

/** `before` is the previous level, for the hysteresis. Uses the heap or the process memory, whichever is closer to its limit. */
export function pressureOf(use: ServerMemory, before: Pressure = 'normal'): PressureReading {
  const heap = use.heapUsedBytes / use.heapLimitBytes;
  const rss = use.rssBytes / use.rssLimitBytes;
  const share = Math.max(heap, rss);
  const reason =
    heap >= rss
      ? `the heap uses ${mebibytes(use.heapUsedBytes)} of ${mebibytes(use.heapLimitBytes)} MiB`
      : `the process uses ${mebibytes(use.rssBytes)} of ${mebibytes(use.rssLimitBytes)} MiB`;
  const criticalFrom = shares.critical - (before === 'critical' ? hysteresis : 0);
  const highFrom = shares.high - (before === 'normal' ? 0 : hysteresis);
  return { pressure: share >= criticalFrom ? 'critical' : share >= highFrom ? 'high' : 'normal', reason };
}

/** New bodies above this size are rejected. */
const bodyBytesMaxAt: Readonly<Record<Pressure, number>> = {
  normal: Number.POSITIVE_INFINITY,
  high: 1024 * 1024,
  critical: 64 * 1024,
};

function mebibytes(bytes: number): string {
  return Math.round(bytes / 2 ** 20).toLocaleString('en-US');
}
