/** Decides, from the memory in use, how much the server may still accept. Pure. */

export interface ServerMemory {
  readonly heapUsedBytes: number;
  /** V8 ends the process if its heap grows above this. */
  readonly heapLimitBytes: number;
  readonly rssBytes: number;
  /** The kernel may end the process above this. */
  readonly rssLimitBytes: number;
}

export type Pressure = 'normal' | 'high' | 'critical';

export interface PressureReading {
  readonly pressure: Pressure;
  /** Names the memory that is closest to its limit. */
  readonly reason: string;
}

/** Shares of a limit. Above `critical` V8 spends most of its time collecting garbage, and one more large body may end the process. */
const shares = { high: 0.85, critical: 0.93 } as const;
/** A level ends this far below its starting share, so that it does not flap. */
const hysteresis = 0.05;

/** `before` is the previous level, for the hysteresis. Uses the heap or the process memory, whichever is closer to its limit. */
export function pressureOf(use: ServerMemory, before: Pressure = 'normal'): PressureReading {
  const heap = use.heapUsedBytes / use.heapLimitBytes;
  const rss = use.rssBytes / use.rssLimitBytes;
  const share = Math.max(heap, rss);
  const reason =
    heap >= rss
      ? `the heap uses ${mebibytes(use.heapUsedBytes)} of ${mebibytes(use.heapLimitBytes)} MiB`
      : `the process uses ${mebibytes(use.rssBytes)} of ${mebibytes(use.rssLimitBytes)} MiB`;
  const criticalFrom = shares.critical - (before === 'critical' ? hysteresis : 0);
  const highFrom = shares.high - (before === 'normal' ? 0 : hysteresis);
  return { pressure: share >= criticalFrom ? 'critical' : share >= highFrom ? 'high' : 'normal', reason };
}

/** New bodies above this size are rejected. */
export const bodyBytesMaxAt: Readonly<Record<Pressure, number>> = {
  normal: Number.POSITIVE_INFINITY,
  high: 1024 * 1024,
  critical: 64 * 1024,
};

function mebibytes(bytes: number): string {
  return Math.round(bytes / 2 ** 20).toLocaleString('en-US');
}
