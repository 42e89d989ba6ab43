/**
 * An instance that runs several requests at once is represented by one executor per concurrent request, its slots. The first slot
 * has the worker's name. Functions always run one request at a time.
 */
import type { ModelVersion } from '../../registry/index.ts';
import type { Executor } from '../executor.ts';

/** A worker as shown in views. */
export interface ServedExecutor {
  readonly id: string;
  readonly instanceType: string;
  readonly isFunction: boolean;
  readonly isBusy: boolean;
  /** When it became busy or idle, `clock.nowMs()`. */
  readonly sinceMs: number;
  readonly batchSize: number;
  /** The batch size while the queue is too long for the objective; at least `batchSize`. */
  readonly batchSizeLate: number;
  readonly batchReason: string;
}

/** Separates worker name and slot number; does not occur in worker names. */
const mark = '#';

/** The executor ids of an instance: one per request that its process runs concurrently. */
export function slotIdsOf(workerId: string, { runtime }: ModelVersion): readonly string[] {
  const count = runtime.kind === 'process' ? runtime.concurrency : 1;
  return Array.from({ length: count }, (_, lane) => (lane === 0 ? workerId : `${workerId}${mark}${lane + 1}`));
}

/** The id of the worker that a slot belongs to. */
export function workerOf(lane: string): string {
  return lane.split(mark, 1)[0] as string;
}

/** Merges slots into workers. A worker is busy while any of its slots is, and idle since its last slot became idle. */
export function byWorker(executors: readonly Executor[]): readonly ServedExecutor[] {
  const workers = new Map<string, Executor[]>();
  for (const executor of executors) {
    const id = workerOf(executor.worker.id);
    const lanes = workers.get(id);
    if (lanes === undefined) workers.set(id, [executor]);
    else lanes.push(executor);
  }
  return [...workers].map(([id, lanes]) => {
    const { worker, isFunction, batchSize, batchSizeLate, batchReason } = lanes[0] as Executor;
    const busy = lanes.filter(({ isBusy }) => isBusy);
    const isBusy = busy.length > 0;
    const sinceMs = isBusy ? Math.min(...busy.map((lane) => lane.sinceMs)) : Math.max(...lanes.map((lane) => lane.sinceMs));
    return { id, instanceType: worker.instanceType, isFunction, isBusy, sinceMs, batchSize, batchSizeLate, batchReason };
  });
}
