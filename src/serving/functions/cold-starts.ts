/** Start times of a variant's functions, and predicted completion times of requests that may have to wait for a start. */
import { upperMedian } from '../../quantiles.ts';
import { predictCompletionMs, residualMs, type Server } from '../../queueing/index.ts';
import type { Environments } from './environments.ts';

/** Number of retained start times. */
const startsMax = 32;
/** Assumed before any start was observed or profiled. */
const unseenMs = 500;
/** A start that takes this multiple of the expected time counts as hung: more processor time would not help it. */
const hangsAfterTimes = 3;
/** Lower bound of that limit: a start profiled on an idle machine can be much slower on a busy one. */
const hangsMsMin = 1000;

/** Memory is bounded: only the last starts count. */
export class ColdStarts {
  readonly #observedMs: number[] = [];
  readonly #measuredMs: () => number | null;
  #medianMs: number | null = null;

  /** `measuredMs` returns the profiled start time, used before the first observed one. */
  constructor(measuredMs: () => number | null) {
    this.#measuredMs = measuredMs;
  }

  /** Median of the last starts, from request to ready; null before the first. */
  get medianMs(): number | null {
    return this.#medianMs;
  }

  /** The observed median, else the profiled time, else a default. */
  get expectedMs(): number {
    return this.#medianMs ?? this.#measuredMs() ?? unseenMs;
  }

  /** A start that takes longer than this counts as hung. */
  get hangsMs(): number {
    return Math.max(hangsMsMin, hangsAfterTimes * this.expectedMs);
  }

  add(ms: number): void {
    if (this.#observedMs.push(ms) > startsMax) this.#observedMs.shift();
    this.#medianMs = upperMedian(this.#observedMs);
  }

  /**
   * Time until a batch with `batchesBefore` batches ahead of it is done. Each environment runs one batch at a time. Starting
   * environments count once they are ready; an overdue start is expected to take a quarter of the expected time more. Environments
   * that may still be started count too, up to the limit.
   */
  doneInMs(environments: Environments, batchesBefore: number, serviceMs: number, nowMs: number): number {
    if (environments.idle > batchesBefore) return serviceMs;
    const coldMs = this.expectedMs;
    const servers: Server[] = [];
    for (const { executor, requestedAtMs } of environments) {
      const startMs = executor === null ? residualMs(nowMs - requestedAtMs, coldMs) : executor.residualMs(nowMs);
      servers.push({ residualMs: startMs, batchSizeMax: 1, fullBatchMs: serviceMs });
    }
    for (let more = Math.min(environments.freeSlots, batchesBefore + 1); more > 0; more--)
      servers.push({ residualMs: coldMs, batchSizeMax: 1, fullBatchMs: serviceMs });
    return predictCompletionMs(servers, batchesBefore);
  }
}
