/**
 * The seam between a variant's door, which every request passes, and what runs the requests: instances that are always
 * on, or functions that come when they are needed. Nothing here waits: an event has its effect before it returns.
 */
import type { Clock } from '../clock.ts';
import type { FunctionsConfig } from '../deployment/index.ts';
import type { PlatformError } from '../errors.ts';
import type { CaptureConfig } from '../monitoring/index.ts';
import type { Objective } from '../objective.ts';
import type { CloseReason } from '../queueing/index.ts';
import type { ModelVersion } from '../registry/index.ts';
import type { AttachedWorker, Executor } from './executor.ts';
import type { InferenceResult, PendingRequest } from './request.ts';

export interface PoolSettings {
  readonly objective: Objective | null;
  readonly late: 'serve' | 'shed';
  /** The endpoint's timeout, for requests that bring none; also the longest a run may take before its worker is ended. */
  readonly timeoutMs: number;
  /** More rows than this never wait; who comes then is refused with `overloaded`. */
  readonly queueRowsMax: number;
  /** Functions run the variant, or take from its instances what those cannot finish in time; null where there are none. */
  readonly functions: FunctionsConfig | null;
  /** What of its calls is kept; null, or nothing said, where nothing is. */
  readonly capture?: CaptureConfig | null;
  /** Instances run it too, and functions only what those cannot finish in time. */
  readonly isHybrid?: boolean;
}

/** A batch on its way out. */
export interface Departure {
  readonly executor: Executor;
  readonly requests: readonly PendingRequest[];
  readonly reason: CloseReason;
  readonly isColdStart: boolean;
  /** Told of each request that was answered with a result, once its answer is out. */
  readonly onAnswered: ((request: PendingRequest, result: InferenceResult, latencyMs: number) => void) | null;
  /** Told once the run is over, and whether anybody was answered with a result. */
  readonly onEnd?: ((isOk: boolean) => void) | undefined;
}

/** What a side has of the door. */
export interface Door {
  readonly endpoint: string;
  readonly variant: string;
  readonly model: ModelVersion;
  readonly batchable: boolean;
  readonly settings: PoolSettings;
  readonly clock: Clock;
  /** Runs the batch. The side is told (`lost`, then `freed`) when the executor is free again, before the answers go out. */
  run(departure: Departure): void;
  /** A run came to nothing that `run` will not tell of, for its executor was given up; it cost so much. */
  readonly runFailed: (usd: number) => void;
  /** Looks at everybody's limits then, at the latest. */
  sweepBy(atMs: number): void;
  /** What a request is told whose timeout passed. */
  timedOut(request: PendingRequest, nowMs: number): PlatformError;
}

/** A worker that is ready for the side. */
export interface SideWorker extends AttachedWorker {
  /** From the wish for a function to its being ready; 0 for an instance. */
  readonly coldStartMs: number;
}

export interface Side {
  /** Largest b of what was measured; 0 while nothing was. */
  readonly batchSizeMax: number;
  readonly rowsWaiting: number;
  /** Those that are ready. */
  readonly executors: readonly Executor[];
  /** Nobody is here who could serve, and nobody on the way. */
  readonly isDeserted: boolean;
  /** When a request that came then, and gives up then, is to be answered: before its objective has passed, with a margin. */
  promisedAtMs(arrivedAtMs: number, timeoutAtMs: number): number;
  /** Everybody who waits. */
  waiting(): Iterable<PendingRequest>;
  /** Of those, whoever comes later has no earlier limit. */
  readonly isInLimitOrder: boolean;
  /** Lets go of everybody who waits. */
  surrender(): PendingRequest[];
  /** A request has come: why it is not taken, or null. */
  refuses(request: PendingRequest): PlatformError | null;
  /** Puts it where it belongs, and sends off whoever may leave by that. */
  place(request: PendingRequest): void;
  /** A request that waited here was settled. */
  forget(request: PendingRequest): void;
  /** What a request is told whose limit passed while it waits; null where it goes on waiting, its limit put off. */
  givenUp(request: PendingRequest, nowMs: number): PlatformError | null;
  /** The executor is done with its batch. */
  freed(executor: Executor): void;
  /** Its worker died under a batch. */
  lost(executor: Executor): void;
  /** Its run does not end. */
  hangs(executor: Executor, reason: string): void;
  /** The settings changed. */
  configure(): void;
  /** Service times were measured, or the objective changed: everything that follows from them is chosen anew. */
  replan(): void;
  attach(worker: SideWorker): void;
  detach(workerId: string): void;
  /** A worker that was asked for will not come. */
  failed(workerId: string, reason: string): void;
  /** Resolves once the worker runs nothing more. */
  drain(workerId: string): Promise<void>;
  /** No traffic comes any more: serves out what it has with those who are here. */
  retire(): void;
  /** Serves out what it has, whatever that takes, and takes nothing new; resolves when nobody waits or runs. */
  finish(): Promise<void>;
  /** Leaves no timer and no worker of its own behind. */
  close(): void;
}
