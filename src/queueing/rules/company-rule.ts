/**
 * When an idle instance waits a moment for more requests: the one exception to "an idle instance never waits" (ADR 29). Pure rule, shared
 * by the serving pool and the simulator.
 *
 * If S(b) is flat, 32 rows cost what 1 costs, and the rows that arrive in the next milliseconds would cost nothing. On a machine with
 * few cores each batch also takes processor time from the gateway and the clients, so fewer, larger batches let more requests arrive.
 */

/** What the rule knows about an idle instance and the requests that wait for it. */
export interface Company {
  /** Rows that the batch would have now. */
  readonly rows: number;
  readonly batchSizeMax: number;
  /** The most rows that waited or ran at one time, within the last second. */
  readonly inFlight: number;
  /** Rate of the last second, in rows per millisecond and instance. */
  readonly rowsPerMs: number;
  /** Share of the last second (0..1) in which instances were busy. */
  readonly busyShare: number;
  /** Time until the most urgent request must be answered. */
  readonly leftMs: number;
  /** S(b): the median service time. */
  readonly medianMs: (rows: number) => number;
  /** S_q(b): the service time at the objective's quantile. */
  readonly quantileMs: (rows: number) => number;
}

/** Below, no other request is expected: a client that waits for its response sends nothing meanwhile. */
const inFlightMin = 4;
const busyShareMin = 0.5;
/** S(b) counts as flat if the expected rows make the batch longer by at most this factor. */
const flatFactor = 1.1;
/** ... and if each further row costs at most this share of what a row of the batch costs on average. */
const rowShareMax = 0.25;
const waitMsMax = 5;
/** Timers are no more accurate than this, so a model that is faster gains nothing. */
const waitMsMin = 1;

/**
 * How long the instance waits, in milliseconds; 0: it runs the batch now. It waits w = min(S(n)/2, 5 ms) with n rows if S(n + λw) <= 1.1 S(n)
 * and the rows in between cost at most a quarter of S(n)/n each, if it was busy for more than half of the last second, and if the most urgent request can still be answered in time after w. A batch
 * without a request that can be in time is never held.
 */
export function companyWaitMs({ rows, batchSizeMax, inFlight, rowsPerMs, busyShare, leftMs, medianMs, quantileMs }: Company): number {
  if (rows >= batchSizeMax || inFlight < inFlightMin || busyShare <= busyShareMin) return 0;
  const nowMs = medianMs(rows);
  const waitMs = Math.min(nowMs / 2, waitMsMax);
  if (waitMs < waitMsMin) return 0;
  const expected = Math.min(Math.floor(rows + rowsPerMs * waitMs), batchSizeMax);
  const addedMs = medianMs(expected) - nowMs;
  if (expected <= rows || addedMs > (flatFactor - 1) * nowMs || addedMs / (expected - rows) > (rowShareMax * nowMs) / rows) return 0;
  return waitMs + quantileMs(expected) <= leftMs ? waitMs : 0;
}
