/** What is held back of an objective, so that late timers, drifting service times and wrong plans do not break the promise. */

export interface MarginTarget {
  readonly latencyMs: number;
  /** q of the promise. */
  readonly quantile: number;
  /** η: how far one late request moves the margin; a thousandth of the objective if left out. */
  readonly stepMs?: number;
}

/**
 * The margin δ after a request that was answered in `answeredMs`:
 *
 *   δ ← max(0, δ + η·(1{latency > SLO} − (1 − q)/2))
 *
 * (online conformal inference: Gibbs and Candès, NeurIPS 2021). It aims at half of what may be late, so that short stretches
 * keep the promise too. Whatever comes: if nobody is late while δ ≥ δ_max, then of n requests at most n(1 − q)/2 + (δ_max + η)/η
 * are, plus those under way. For each step raises δ by at least η·(1{late} − (1 − q)/2), so the sum of the steps, η·(late − n(1 − q)/2),
 * is at most δ itself, which is at most δ_max + η.
 *
 * Not to be fed with requests that met a cold start or a new configuration: no margin helps those.
 */
export function nextMarginMs(
  marginMs: number,
  answeredMs: number,
  { latencyMs, quantile, stepMs = latencyMs / 1000 }: MarginTarget,
): number {
  const late = answeredMs > latencyMs ? 1 : 0;
  return Math.max(0, marginMs + stepMs * (late - (1 - quantile) / 2));
}
