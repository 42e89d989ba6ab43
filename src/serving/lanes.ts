/**
 * An instance that takes several requests at once stands in its pool as so many executors, its lanes, each of which takes
 * one. The first is called as its worker. A function is given one request at a time, whatever it could take.
 */
import type { ModelVersion } from '../registry/index.ts';
import type { Executor } from './executor.ts';

/** A worker as it is shown. */
export interface ServedExecutor {
  readonly id: string;
  readonly instanceType: string;
  readonly isFunction: boolean;
  readonly isBusy: boolean;
  /** `clock.nowMs()`: since when it is busy, or idle. */
  readonly sinceMs: number;
  readonly batchSize: number;
  readonly batchReason: string;
}

/** Not in the name of any worker. */
const mark = '#';

export function lanesOf(workerId: string, { runtime }: ModelVersion): readonly string[] {
  const count = runtime.kind === 'process' ? runtime.concurrency : 1;
  return Array.from({ length: count }, (_, lane) => (lane === 0 ? workerId : `${workerId}${mark}${lane + 1}`));
}

/** The worker that a lane is one of. */
export function workerOf(lane: string): string {
  return lane.split(mark, 1)[0] as string;
}

/** Each worker once: busy while one of its lanes is, idle since the last of them fell idle. */
export function byWorker(executors: readonly Executor[]): readonly ServedExecutor[] {
  const workers = new Map<string, Executor[]>();
  for (const executor of executors) {
    const id = workerOf(executor.worker.id);
    const lanes = workers.get(id);
    if (lanes === undefined) workers.set(id, [executor]);
    else lanes.push(executor);
  }
  return [...workers].map(([id, lanes]) => {
    const { worker, isFunction, batchSize, batchReason } = lanes[0] as Executor;
    const busy = lanes.filter(({ isBusy }) => isBusy);
    const isBusy = busy.length > 0;
    const sinceMs = isBusy ? Math.min(...busy.map((lane) => lane.sinceMs)) : Math.max(...lanes.map((lane) => lane.sinceMs));
    return { id, instanceType: worker.instanceType, isFunction, isBusy, sinceMs, batchSize, batchReason };
  });
}
