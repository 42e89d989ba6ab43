/**
 * When an idle instance runs a shadow: a request that was answered already, under another plan, to see whether the answers agree. A shadow
 * must not make a request late, so it waits for a moment at which a request that arrives during its run is still in time. Pure, shared by
 * serving and the simulator.
 */

/** The moment at which an instance is idle. */
export interface IdleMoment {
  readonly rowsWaiting: number;
  /** Other instances that are idle: a request that arrives runs there. */
  readonly othersIdle: number;
  /** The service quantile of the shadow. */
  readonly shadowMs: number;
  /** The service quantile of a request that would wait for it, and the time in addition to the service. */
  readonly requestMs: number;
  /** Since the last arrival. */
  readonly quietMs: number;
  /** The promised latency, without the margin; null without a promise. */
  readonly limitMs: number | null;
}

/** The last idle instance runs a shadow only in a gap that is this many times longer than the run already. */
const quietRuns = 4;

/** Time until the shadow may run: 0 now; infinite until the moment is another. */
export function shadowWaitMs({ rowsWaiting, othersIdle, shadowMs, requestMs, quietMs, limitMs }: IdleMoment): number {
  if (rowsWaiting > 0) return Number.POSITIVE_INFINITY;
  if (limitMs !== null && shadowMs + requestMs > limitMs) return Number.POSITIVE_INFINITY;
  if (othersIdle > 0) return 0;
  return Math.max(0, quietRuns * shadowMs - quietMs);
}
