/**
 * Times what a worker does, without the time that it waited for processors that others had: a profile says what a model takes,
 * and a machine that is busy while it is measured need not be so later. Where the system does not tell, time is what passed. Of a model
 * with several threads only the waiting of the first is known, so on a busy machine its times stay somewhat too long.
 */
import type { Clock } from '../clock.ts';
import { hasCpuQuota, type ProcessorTime, processorTime } from '../providers/index.ts';
import type { WorkerLink } from '../runtime/index.ts';

export interface TimerOptions {
  readonly clock: Clock;
  /** The processor time of the worker so far, with what both ends of its link have waited; null where the system does not tell. */
  readonly processorTime?: () => ProcessorTime | null;
}

export interface Timed {
  /** What passed. */
  readonly tookMs: number;
  /** The same without the waiting. */
  readonly ownMs: number;
}

/** Two processes that wake each other wait for so long even where they are alone; that comes with serving, too. */
const waitedMsUsual = 0.1;

/** Begins now; the answer tells how it has been since, as often as it is asked. */
export function timer({ clock, processorTime = () => null }: TimerOptions): () => Timed {
  const before = processorTime();
  const startMs = clock.nowMs();
  return () => {
    const tookMs = clock.nowMs() - startMs;
    const now = before === null ? null : processorTime();
    if (before === null || now === null) return { tookMs, ownMs: tookMs };
    const spent = { computedMs: now.computedMs - before.computedMs, waitedMs: now.waitedMs - before.waitedMs };
    return { tookMs, ownMs: ownMs(tookMs, spent) };
  };
}

/**
 * For what the worker of a link does; this server, which takes its answers, waits with it. Where both are held to a quota of processor time,
 * what that makes them wait is counted as what others do, but it comes with serving, too: nothing is taken off then.
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

/** Both ends may wait at once, so that waiting adds up to more than there was: what was computed was never waiting. */
export function ownMs(tookMs: number, { computedMs, waitedMs }: ProcessorTime): number {
  if (waitedMs <= waitedMsUsual) return tookMs;
  return Math.min(tookMs, Math.max(tookMs - waitedMs, computedMs));
}

/** How many times as long the runs took as they did by themselves; 1 where nothing was in their way. */
export function slowdownOf(runs: readonly Timed[]): number {
  const own = runs.reduce((sum, { ownMs: ms }) => sum + ms, 0);
  const took = runs.reduce((sum, { tookMs: ms }) => sum + ms, 0);
  return own > 0 ? Math.round((100 * took) / own) / 100 : 1;
}
