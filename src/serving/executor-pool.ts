/**
 * The interface between a variant pool, through which every request passes, and its executors: always-on instances or on-demand
 * functions. Methods are synchronous: an event takes effect before the method returns.
 */
import type { Clock } from '../clock.ts';
import type { CaptureConfig } from '../data-quality/index.ts';
import type { FunctionsConfig, LadderConfig } from '../deployment/index.ts';
import type { PlatformError } from '../errors.ts';
import type { Objective } from '../objective.ts';
import type { CloseReason } from '../queueing/index.ts';
import type { ModelVersion } from '../registry/index.ts';
import type { AttachedWorker, Executor } from './executor.ts';
import type { Ladder } from './ladder.ts';
import type { BatchRung } from './plans/batch-plan.ts';
import type { InferenceResult, PendingRequest } from './request.ts';

/** The settings of a variant in force. */
export interface PoolSettings {
  readonly objective: Objective | null;
  readonly late: 'serve' | 'shed';
  /** Default timeout of requests. Also the longest allowed run: after it, the worker is restarted. */
  readonly timeoutMs: number;
  /** Maximum number of waiting rows; further requests are rejected with `overloaded`. */
  readonly queueRowsMax: number;
  /** Functions that run the variant, or that take requests its instances cannot finish in time. null: no functions. */
  readonly functions: FunctionsConfig | null;
  /** Which calls to capture; null or absent: none. */
  readonly capture?: CaptureConfig | null;
  /** True if the pool receives copies of requests only. */
  readonly isShadow?: boolean;
  /** True for a shadow that runs in the idle time of the production variant's workers. */
  readonly sharesWorkers?: boolean;
  /** True if instances run the variant too, and functions take only requests that instances cannot finish in time. */
  readonly isHybrid?: boolean;
  /** The plans of a variant of a selection. Absent: its workers have one model. */
  readonly ladder?: LadderConfig;
}

/** A batch being dispatched. */
export interface Dispatch {
  readonly executor: Executor;
  readonly requests: readonly PendingRequest[];
  readonly reason: CloseReason;
  readonly isColdStart: boolean;
  /** The plan of the batch; absent without a ladder. */
  readonly plan?: BatchRung | null;
  /** Called for each request that was answered with a result, after its response was sent. */
  readonly onAnswered: ((request: PendingRequest, result: InferenceResult, latencyMs: number) => void) | null;
  /** Called when the run is over, with whether any request was answered with a result. */
  readonly onEnd?: ((isOk: boolean) => void) | undefined;
}

/** The variant pool as its executor pool uses it. */
export interface PoolContext {
  readonly endpoint: string;
  readonly variant: string;
  readonly model: ModelVersion;
  readonly batchable: boolean;
  readonly settings: PoolSettings;
  readonly clock: Clock;
  /** Null if the workers have one model. */
  readonly ladder: Ladder | null;
  /**
   * Runs the batch. Notifies the executor pool before the responses are sent: first `workerLost` if the worker crashed, then
   * `executorFreed`.
   */
  run(dispatch: Dispatch): void;
  /** Reports the cost of a failed run. Only for runs whose executor was abandoned, which `run` does not report. */
  readonly runFailed: (usd: number) => void;
  /** Ensures that the limits of all waiting requests are checked no later than `atMs`. */
  sweepBy(atMs: number): void;
  /** The error for a request whose timeout passed. */
  timedOut(request: PendingRequest, nowMs: number): PlatformError;
}

/** A ready worker. */
export interface PoolWorker extends AttachedWorker {
  /** Time from requesting the start of a function to ready; 0 for an instance. */
  readonly coldStartMs: number;
}

/** Four implementations: `InstancePool`, `FunctionPool`, `HybridPool` of both, and `IdlePool` for shadows. */
export interface ExecutorPool {
  /** Largest batch size in the profile; 0 until there is a profile. */
  readonly batchSizeMax: number;
  readonly rowsWaiting: number;
  /** Ready executors. */
  readonly executors: readonly Executor[];
  /** True if no executor is ready or starting. */
  readonly hasNoCapacity: boolean;
  /**
   * When a request with this arrival and timeout must be answered: by its objective minus a margin, or by its timeout if that is
   * earlier.
   */
  promisedAtMs(arrivedAtMs: number, timeoutAtMs: number): number;
  /** All waiting requests. */
  waiting(): Iterable<PendingRequest>;
  /** Whether the limits of waiting requests never decrease along the queue. */
  readonly isInLimitOrder: boolean;
  /** Removes and returns all waiting requests. */
  removeAllWaiting(): PendingRequest[];
  /** Queues a new request like `enqueue`, or returns why it is rejected. */
  submit(request: PendingRequest): PlatformError | null;
  /** Queues an accepted request, and dispatches every batch that is due as a result. */
  enqueue(request: PendingRequest): void;
  /** Removes a waiting request that was settled or cancelled. */
  discard(request: PendingRequest): void;
  /** The error for a waiting request whose limit has passed; null if it continues to wait with a later limit. */
  onLimit(request: PendingRequest, nowMs: number): PlatformError | null;
  /** Called when the executor has finished its batch. */
  executorFreed(executor: Executor): void;
  /** Called when the executor's worker crashed during a batch. */
  workerLost(executor: Executor): void;
  /** Called when the executor's run has exceeded the timeout. */
  executorHung(executor: Executor, reason: string): void;
  /** Applies changed settings. */
  configure(): void;
  /** Recomputes everything that depends on service times or the objective, after either changed. */
  replan(): void;
  attach(worker: PoolWorker): void;
  detach(workerId: string): void;
  /** Called when a requested worker failed to start. */
  workerFailed(workerId: string, reason: string): void;
  /** Stops sending new batches to the worker. Resolves once it is idle. */
  drain(workerId: string): Promise<void>;
  /** Called when traffic no longer arrives here: serves the queue with the existing executors. */
  retire(): void;
  /** Rejects new requests and serves the queue, starting executors if needed. Resolves when no request waits or runs. */
  finish(): Promise<void>;
  /** Clears all timers and ends the workers that the pool started itself. */
  close(): void;
}
