/**
 * Statistics of a variant since it was loaded, as defined by the statistics extension of the Open Inference Protocol. Counted in
 * the gateway, so restarting a worker does not reset them.
 */
import type { ErrorCode } from '../../errors.ts';
import type { Timings } from '../request.ts';
import { isRejection } from './traffic-meter.ts';

/** Number of events and their total duration in nanoseconds. */
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

/** Durations inside the worker, by number of rows in the batch. */
export interface BatchStatistics {
  readonly batchSize: number;
  readonly computeInput: Duration;
  readonly computeInfer: Duration;
  readonly computeOutput: Duration;
}

/** Counters only grow, as the extension demands. */
export class VariantStatistics {
  /** When counting began, epoch milliseconds. */
  readonly sinceMs: number;
  /** Successful model runs. */
  executionCount = 0;
  /** Rows of these runs, including rows of cancelled requests. */
  inferenceCount = 0;
  /** When the last request was answered, epoch milliseconds; 0 if none was. */
  lastInferenceMs = 0;
  /** Requests answered by a function although the variant has instances. */
  overflowed = 0;
  /** Answered requests that exceeded the objective in force at that time. */
  late = 0;
  /** The part of `fail` that was rejected; the others failed after they were accepted. */
  refused = 0;
  /** For a shadow: copies of requests that it could not take. */
  copiesDropped = 0;
  /** Requests rejected for lack of capacity. */
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

  /** Counts a successful request; durations are milliseconds. */
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
    if (isRejection(code)) this.refused++;
    if (code === 'overloaded') this.overloaded++;
  }

  /** Counts a run of the model, by its number of rows. */
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
