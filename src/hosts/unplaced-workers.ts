/** Workers that have no host. Pure. */
import type { WorkerSpec, WorkerView } from '../providers/index.ts';
import type { UnplacedWorker } from './hosts-view.ts';

/** For its display. */
export function unplacedWorker(
  { id, endpoint, cpuMilli, memoryMiB, accelerator }: Omit<UnplacedWorker, 'worker' | 'reason' | 'sinceMs'> & { readonly id: string },
  reason: string,
  sinceMs: number,
): UnplacedWorker {
  return { worker: id, endpoint, cpuMilli, memoryMiB, accelerator, reason, sinceMs };
}

/** As the provider lists it. */
export function unplacedView({
  spec,
  reason,
  sinceMs,
}: {
  readonly spec: WorkerSpec;
  readonly reason: string;
  readonly sinceMs: number;
}): WorkerView {
  return { spec, state: 'starting', pid: null, rssBytes: null, restarts: 0, reason, startedAtMs: sinceMs, readyAtMs: null };
}
