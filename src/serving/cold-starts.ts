/** How long starts of a variant's functions take, and so when a function would be done with a request that came now. */
import { predictCompletionMs, residualMs, type Server } from '../queueing/index.ts';
import type { Environments } from './environments.ts';

/** So many are remembered. */
const kept = 32;
/** Before one was seen, where none was measured either. */
const unseenMs = 500;
/** A start that takes so many times what is expected waits for something else than a processor, most likely for ever. */
const hangsAfterTimes = 3;
/** Nor sooner than this: what was measured on a machine at rest says little of a busy one. */
const hangsMsMin = 1000;

export class ColdStarts {
  readonly #seenMs: number[] = [];
  readonly #measuredMs: () => number | null;
  #medianMs: number | null = null;

  /** `measuredMs` is what is known of a start before one was seen. */
  constructor(measuredMs: () => number | null) {
    this.#measuredMs = measuredMs;
  }

  /** From the wish to being ready; null before the first. */
  get medianMs(): number | null {
    return this.#medianMs;
  }

  get expectedMs(): number {
    return this.#medianMs ?? this.#measuredMs() ?? unseenMs;
  }

  /** A start that takes as long as this seems to hang. */
  get hangsMs(): number {
    return Math.max(hangsMsMin, hangsAfterTimes * this.expectedMs);
  }

  add(ms: number): void {
    if (this.#seenMs.push(ms) > kept) this.#seenMs.shift();
    this.#medianMs = this.#seenMs.toSorted((a, b) => a - b)[this.#seenMs.length >> 1] as number;
  }

  /**
   * How long from now until a batch is done that has so many batches before it and takes so long itself: each environment
   * takes one at a time, those that start once they are ready (a start that is overdue may take a while yet), and as many
   * more may be started as there is room for.
   */
  doneInMs(environments: Environments, batchesBefore: number, serviceMs: number, nowMs: number): number {
    if (environments.idle > batchesBefore) return serviceMs;
    const coldMs = this.expectedMs;
    const servers: Server[] = [];
    for (const { executor, askedAtMs } of environments) {
      const startMs = executor === null ? residualMs(nowMs - askedAtMs, coldMs) : executor.residualMs(nowMs);
      servers.push({ residualMs: startMs, batchSizeMax: 1, fullBatchMs: serviceMs });
    }
    for (let more = Math.min(environments.room, batchesBefore + 1); more > 0; more--)
      servers.push({ residualMs: coldMs, batchSizeMax: 1, fullBatchMs: serviceMs });
    return predictCompletionMs(servers, batchesBefore);
  }
}
