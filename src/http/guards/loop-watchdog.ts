/**
 * Measures the delay of the event loop, and logs each slice that blocked it for too long with the route that likely caused it.
 *
 * A timer that should fire every 20 ms measures its own delay. A block that starts between two ticks is measured up to
 * 20 ms shorter than it was.
 */
import type { Clock } from '../../clock.ts';
import type { Log } from '../../logs/index.ts';
import type { LoopActivity } from './loop-activity.ts';

/** What is measured, and where it is reported. */
export interface LoopWatchdogOptions {
  readonly clock: Clock;
  readonly activity: Pick<LoopActivity, 'take'>;
  readonly log: Pick<Log, 'warn'>;
  /** Receives the delay of each tick. Ticks of an idle server are skipped, so that it writes nothing. */
  readonly onDelay: (ms: number) => void;
  /** Receives each slice above the limit. */
  readonly onBlocked: (ms: number) => void;
  /** Processor time of this thread so far. */
  readonly threadCpuMs?: () => number;
}

const tickMs = 20;

/** Longer slices are counted and logged as blocks, in milliseconds. */
export const blockedFromMs = 100;
/** A delay of this size is recorded even if no request arrived. */
const noticedFromMs = 10;
/** Limits log lines; the next line has the number of suppressed ones. */
const logEveryMs = 1000;

/** Logs at most one line per period; slices that were not logged are counted in the next one. */
export class LoopWatchdog {
  readonly #options: LoopWatchdogOptions;
  readonly #threadCpuMs: () => number;
  #blocks = 0;
  #blockedMs = 0;
  #unlogged = 0;
  #loggedAtMs = Number.NEGATIVE_INFINITY;
  #cpuMs = 0;
  #cancel: () => void = () => {};

  constructor(options: LoopWatchdogOptions) {
    this.#options = options;
    this.#threadCpuMs = options.threadCpuMs ?? threadCpuMs;
  }

  start(): void {
    this.#options.activity.take();
    this.#cpuMs = this.#threadCpuMs();
    this.#tickLater();
  }

  stop(): void {
    this.#cancel();
  }

  /** Slices above the limit since the start. */
  get blocks(): number {
    return this.#blocks;
  }

  /** The sum of their lengths. */
  get blockedMs(): number {
    return this.#blockedMs;
  }

  #tickLater(): void {
    const { clock } = this.#options;
    const dueMs = clock.nowMs() + tickMs;
    this.#cancel = clock.after(tickMs, () => {
      this.#tick(Math.max(0, clock.nowMs() - dueMs));
      this.#tickLater();
    });
  }

  #tick(delayMs: number): void {
    const { activity, onDelay, onBlocked } = this.#options;
    const { route, requests, ms: gapMs } = activity.take();
    const cpuMs = this.#threadCpuMs();
    const ranMs = cpuMs - this.#cpuMs;
    this.#cpuMs = cpuMs;
    if (requests > 0 || delayMs >= noticedFromMs) onDelay(delayMs);
    if (delayMs < blockedFromMs) return;
    this.#blocks++;
    this.#blockedMs += delayMs;
    onBlocked(delayMs);
    // Many short requests in a row: no single request is the cause.
    this.#report(delayMs, ranMs, gapMs >= delayMs / 2 ? route : null);
  }

  #report(delayMs: number, ranMs: number, likelyRoute: string | null): void {
    const { clock, log } = this.#options;
    if (clock.nowMs() - this.#loggedAtMs < logEveryMs) {
      this.#unlogged++;
      return;
    }
    this.#loggedAtMs = clock.nowMs();
    const [blockedMs, cpuMs] = [Math.round(delayMs), Math.round(ranMs)];
    const cause = likelyRoute === null ? 'no single request explains it' : `likely by ${likelyRoute}`;
    const starved = ranMs < delayMs / 2 ? `; it got only ${cpuMs} ms of CPU time, so the machine was busy or a disk slow` : '';
    const detail = { blockedMs, cpuMs, likelyRoute, unlogged: this.#unlogged };
    log.warn(detail, `the event loop was blocked for ${blockedMs} ms: ${cause}${starved}`);
    this.#unlogged = 0;
  }
}

function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
