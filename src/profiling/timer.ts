/**
 * Measures the time of a worker without the time it waits for processors in use by other processes: a profile describes the
 * model, not the load of the machine. If the system does not report waiting, the result is elapsed time. For models with several
 * threads only the first thread's waiting is known, so on a busy machine their times are slightly too long.
 */
import type { Clock } from '../clock.ts';
import { hasCpuQuota, type ProcessorTime, processorTime } from '../providers/index.ts';
import type { WorkerLink } from '../runtime/index.ts';

/** The clock, and what the system reports about waiting. */
export interface TimerOptions {
  readonly clock: Clock;
  /** Processor time of the worker, and the waiting of both ends of its link; null if the system does not report it. */
  readonly processorTime?: () => ProcessorTime | null;
}

/** A measured duration. */
export interface Timed {
  /** Elapsed time, including waiting. */
  readonly tookMs: number;
  /** Elapsed time minus waiting for processors. */
  readonly ownMs: number;
}

/**
 * Milliseconds that two processes wait when they wake each other, even on a free machine. Not subtracted, because it also occurs
 * while serving.
 */
const waitedMsUsual = 0.1;

/** Starts the timer. Each call of the returned function reports the time since then. */
export function timer({ clock, processorTime = () => null }: TimerOptions): () => Timed {
  const before = processorTime();
  const startMs = clock.nowMs();
  return () => {
    const tookMs = clock.nowMs() - startMs;
    const now = before === null ? null : processorTime();
    if (before === null || now === null) return { tookMs, ownMs: tookMs };
    const used = { computedMs: now.computedMs - before.computedMs, waitedMs: now.waitedMs - before.waitedMs };
    return { tookMs, ownMs: ownMs(tookMs, used) };
  };
}

/**
 * Timer options for the worker of a link; this server waits too, at the receiving end. Under a shared processor quota, throttling
 * is reported as waiting but also occurs while serving, so then nothing is subtracted.
 */
export async function timerOf(link: Pick<WorkerLink, 'status'>, clock: Clock, hasQuota = hasCpuQuota()): Promise<TimerOptions> {
  if (hasQuota) return { clock };
  const { pid } = await link.status();
  return {
    clock,
    processorTime: () => {
      const [worker, server] = [processorTime(pid), processorTime(process.pid)];
      return worker === null || server === null ? null : { computedMs: worker.computedMs, waitedMs: worker.waitedMs + server.waitedMs };
    },
  };
}

/**
 * Elapsed time minus waiting. Both ends can wait at the same time, so the sum can exceed the real waiting; processor time is the
 * lower bound.
 */
export function ownMs(tookMs: number, { computedMs, waitedMs }: ProcessorTime): number {
  if (waitedMs <= waitedMsUsual) return tookMs;
  return Math.min(tookMs, Math.max(tookMs - waitedMs, computedMs));
}

/** Ratio of elapsed time to time without waiting; 1 if nothing interfered. */
export function slowdownOf(runs: readonly Timed[]): number {
  const own = runs.reduce((sum, { ownMs: ms }) => sum + ms, 0);
  const took = runs.reduce((sum, { tookMs: ms }) => sum + ms, 0);
  return own > 0 ? Math.round((100 * took) / own) / 100 : 1;
}
