/** Finds in the request log the batch that kept an executor busy when a request arrived. */

/** The fields of a log line that are used here. */
export interface LoggedRun {
  /** End of the request, epoch milliseconds. */
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

/** A batch that was running when the request arrived and that it waited for. */
export interface PrecedingBatch {
  readonly request: string;
  readonly rows: number;
  readonly executor: string;
  /** How long the batch had been running when the request arrived, and how long it ran afterwards. */
  readonly sinceMs: number;
  readonly remainingMs: number;
}

/** Shorter waits need no explanation, ms. */
const waitMsMin = 1;
/** Resolution of log timestamps. */
const stampMs = 1;

/** The range of end times of batches that can explain the wait, epoch ms; null if the wait was negligible. */
export function waitWindow(
  { at, totalMs, queueMs }: LoggedRun,
  waitedMs: number,
): { readonly fromMs: number; readonly toMs: number } | null {
  if (waitedMs < waitMsMin) return null;
  const arrivedAtMs = at - (totalMs ?? 0);
  return { fromMs: Math.floor(arrivedAtMs), toMs: Math.ceil(arrivedAtMs + (queueMs ?? 0) + stampMs) };
}

/** The run among `others` that ended last after the arrival of the request; null if there is none. */
export function precedingBatch(line: LoggedRun, waitedMs: number, others: readonly LoggedRun[]): PrecedingBatch | null {
  const wait = waitWindow(line, waitedMs);
  if (wait === null) return null;
  const arrivedAtMs = line.at - (line.totalMs ?? 0);
  let longest: PrecedingBatch | null = null;
  for (const other of others) {
    const { executor, queueMs, computeMs, totalMs, parts = 1 } = other;
    const isAlike = other.endpoint === line.endpoint && other.variant === line.variant && executor === line.executor;
    if (!isAlike || executor === undefined || other.request === line.request || computeMs === null) continue;
    const beganMs = other.at - (totalMs ?? 0) + (queueMs ?? 0);
    const endedMs = beganMs + computeMs;
    const [sinceMs, remainingMs] = [arrivedAtMs - beganMs, endedMs - arrivedAtMs];
    if (sinceMs < 0 || remainingMs < waitMsMin || endedMs > wait.toMs) continue;
    if (longest !== null && longest.remainingMs >= remainingMs) continue;
    longest = { request: other.request, rows: parts > 1 ? other.rows : other.batchRows, executor, sinceMs, remainingMs };
  }
  return longest;
}
