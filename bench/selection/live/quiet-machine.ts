/** Whether the machine had time for the measurement alone: beside other work, a comparison with the simulator says nothing. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** How many clock ticks the processors have spent, and how many of them at work, taken by other virtual machines included. */
export function processorTicks(stat: string): { readonly all: number; readonly busy: number } {
  const [user = 0, nice = 0, system = 0, idle = 0, waiting = 0, ...interrupts] = (/^cpu +(.*)$/m.exec(stat)?.[1] ?? '')
    .split(' ')
    .map(Number);
  // Interrupts, soft interrupts, stolen; the times of guests after these are contained in the first two.
  const busy = user + nice + system + interrupts.slice(0, 3).reduce((sum, ticks) => sum + ticks, 0);
  return { all: busy + idle + waiting, busy };
}

/** The share of the processors that is in use during the next seconds, from 0 to 1. */
export async function busyShare(seconds: number): Promise<number> {
  const read = () => processorTicks(readFileSync('/proc/stat', 'utf8'));
  const before = read();
  await sleep(seconds * 1000);
  const after = read();
  return (after.busy - before.busy) / Math.max(1, after.all - before.all);
}

/** An idle server, and this process, use less. */
export const busyMax = 0.15;
/** A request is late if it was sent this long after its time: a tenth of the promised latency. */
export const lateMs = 5;
export const lateShareMax = 0.01;
/** A stall of a whole promise makes every request of that moment late. A few of these are what a quiet machine has, too. */
export const stallMs = 250;

export interface Disturbance {
  /** Shares of the processors in use while the endpoint was idle. */
  readonly busyBefore: number;
  readonly busyAfter: number;
  /** Share of the requests that the generator sent late, and the longest delay. */
  readonly lateShare: number;
  readonly sentLateMs: number;
}

/** Why the run does not count; null if it does. */
export function disturbance({ busyBefore, busyAfter, lateShare, sentLateMs }: Disturbance): string | null {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  if (busyBefore > busyMax || busyAfter > busyMax)
    return `other programs used the processors: ${percent(busyBefore)} before and ${percent(busyAfter)} after, at most ${percent(busyMax)} of them may be in use while the endpoint is idle`;
  if (lateShare > lateShareMax)
    return `${percent(lateShare)} of the requests were sent more than ${lateMs} ms late, expected at most ${percent(lateShareMax)}`;
  if (sentLateMs > stallMs) return `a request was sent ${sentLateMs.toFixed(0)} ms late, expected at most ${stallMs} ms`;
  return null;
}
