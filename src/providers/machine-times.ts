/** Reads the processor times of the machine, and the part of this server and its workers. */
import { cpus } from 'node:os';
import type { MachineTimes } from '../metrics/index.ts';
import { type WorkerView } from './provider.ts';

type Worker = Pick<WorkerView, 'pid' | 'cpuMs'>;

/** Returns a stateful reader: the time of workers that ended since the last reading still counts. Null where the system reports none. */
export function machineTimes(workers: () => readonly Worker[]): () => MachineTimes | null {
  let running = new Map<number, number>();
  let endedMs = 0;
  return () => {
    const times = cpus().map((processor) => processor.times);
    const availableMs = times.reduce((sum, { user, nice, sys, idle, irq }) => sum + user + nice + sys + idle + irq, 0);
    if (availableMs === 0) return null;
    const idleMs = times.reduce((sum, { idle }) => sum + idle, 0);
    const now = new Map(workers().flatMap(({ pid, cpuMs }) => (pid === null ? [] : [[pid, cpuMs?.() ?? 0] as const])));
    for (const [pid, ms] of running) if (!now.has(pid)) endedMs += ms;
    running = now;
    const { user, system } = process.cpuUsage();
    const workersMs = [...now.values()].reduce((sum, ms) => sum + ms, 0);
    return { usedMs: availableMs - idleMs, availableMs, ownMs: (user + system) / 1000 + workersMs + endedMs };
  };
}
