/**
 * What a variant has done since it was loaded, in the counters of the Open Inference Protocol's statistics extension.
 * They live in the gateway, so they never go back when a worker is started anew.
 */
import type { ErrorCode } from '../errors.ts';
import type { Timings } from './request.ts';
import { isRefusal } from './traffic-meter.ts';

export interface Duration {
  readonly count: number;
  readonly ns: number;
}

class Counter implements Duration {
  count = 0;
  ns = 0;

  add(ms: number): void {
    this.count++;
    this.ns += Math.round(ms * 1e6);
  }
}

export interface BatchStatistics {
  readonly batchSize: number;
  readonly computeInput: Duration;
  readonly computeInfer: Duration;
  readonly computeOutput: Duration;
}

export class VariantStatistics {
  /** Epoch milliseconds, since when it counts. */
  readonly sinceMs: number;
  /** Model runs that ended well. */
  executionCount = 0;
  /** Their rows, also those whose clients had left by then. */
  inferenceCount = 0;
  /** Epoch milliseconds; 0 before the first. */
  lastInferenceMs = 0;
  /** Requests that a function answered though the variant has instances. */
  overflowed = 0;
  /** Of those answered, how many later than the objective said then. */
  late = 0;
  /** Of those that got no answer (`fail`), how many were refused; the others failed. */
  refused = 0;
  /** Of those refused, for want of room. */
  overloaded = 0;
  readonly success: Counter = new Counter();
  readonly fail: Counter = new Counter();
  readonly queue: Counter = new Counter();
  readonly computeInput: Counter = new Counter();
  readonly computeInfer: Counter = new Counter();
  readonly computeOutput: Counter = new Counter();
  readonly #batches = new Map<number, { computeInput: Counter; computeInfer: Counter; computeOutput: Counter }>();

  constructor(sinceMs: number) {
    this.sinceMs = sinceMs;
  }

  /** By batch size, smallest first. */
  get batches(): readonly BatchStatistics[] {
    return [...this.#batches].map(([batchSize, counters]) => ({ batchSize, ...counters })).sort((a, b) => a.batchSize - b.batchSize);
  }

  answered(totalMs: number, timings: Timings, wallMs: number): void {
    this.lastInferenceMs = wallMs;
    this.success.add(totalMs);
    this.queue.add(timings.queueMs);
    this.computeInput.add(timings.computeInMs);
    this.computeInfer.add(timings.computeMs);
    this.computeOutput.add(timings.computeOutMs);
  }

  failed(totalMs: number, code: ErrorCode): void {
    this.fail.add(totalMs);
    if (isRefusal(code)) this.refused++;
    if (code === 'overloaded') this.overloaded++;
  }

  executed(batchRows: number, timings: { readonly inMs: number; readonly runMs: number; readonly outMs: number }): void {
    this.executionCount++;
    this.inferenceCount += batchRows;
    let batch = this.#batches.get(batchRows);
    if (batch === undefined) {
      batch = { computeInput: new Counter(), computeInfer: new Counter(), computeOutput: new Counter() };
      this.#batches.set(batchRows, batch);
    }
    batch.computeInput.add(timings.inMs);
    batch.computeInfer.add(timings.runMs);
    batch.computeOutput.add(timings.outMs);
  }
}
