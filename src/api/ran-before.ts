/** What kept the executors of an endpoint busy when a request came, from the log of requests. */

/** What of a line of the log this takes. */
export interface RanLine {
  /** Epoch milliseconds of its end. */
  readonly at: number;
  readonly request: string;
  readonly endpoint: string;
  readonly variant: string;
  readonly rows: number;
  readonly batchRows: number;
  readonly parts?: number;
  readonly executor?: string;
  readonly queueMs: number | null;
  readonly computeMs: number | null;
  readonly totalMs: number | null;
}

/** A batch that ran when the request came, and for which it waited. */
export interface RanBefore {
  readonly request: string;
  readonly rows: number;
  readonly executor: string;
  /** How long it had been running when the request came, and how long it went on. */
  readonly sinceMs: number;
  readonly restMs: number;
}

/** Waits as short as these are no question, ms. */
const waitMsMin = 1;
/** Lines are stamped with whole milliseconds. */
const stampMs = 1;

/** Between which ends a batch may have kept it waiting, epoch ms; null where it did not wait to speak of. */
export function waitOf({ at, totalMs, queueMs }: RanLine, waitedMs: number): { readonly fromMs: number; readonly toMs: number } | null {
  if (waitedMs < waitMsMin) return null;
  const cameMs = at - (totalMs ?? 0);
  return { fromMs: Math.floor(cameMs), toMs: Math.ceil(cameMs + (queueMs ?? 0) + stampMs) };
}

/** Of the lines of others, the run that went on longest after the request came; null where none did. */
export function ranBefore(line: RanLine, waitedMs: number, others: readonly RanLine[]): RanBefore | null {
  const wait = waitOf(line, waitedMs);
  if (wait === null) return null;
  const cameMs = line.at - (line.totalMs ?? 0);
  let longest: RanBefore | null = null;
  for (const other of others) {
    const { executor, queueMs, computeMs, totalMs, parts = 1 } = other;
    const isAlike = other.endpoint === line.endpoint && other.variant === line.variant && executor === line.executor;
    if (!isAlike || executor === undefined || other.request === line.request || computeMs === null) continue;
    const beganMs = other.at - (totalMs ?? 0) + (queueMs ?? 0);
    const endedMs = beganMs + computeMs;
    const [sinceMs, restMs] = [cameMs - beganMs, endedMs - cameMs];
    if (sinceMs < 0 || restMs < waitMsMin || endedMs > wait.toMs) continue;
    if (longest !== null && longest.restMs >= restMs) continue;
    longest = { request: other.request, rows: parts > 1 ? other.rows : other.batchRows, executor, sinceMs, restMs };
  }
  return longest;
}
