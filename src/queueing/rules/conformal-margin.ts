/** A margin subtracted from an objective, to meet it despite late timers, drifting service times and inaccurate plans. */

/** The objective to be met, and the step of the update. */
export interface MarginTarget {
  readonly latencyMs: number;
  /** q of the objective. */
  readonly quantile: number;
  /** η: step by which a late request raises the margin. Default: a thousandth of the objective. */
  readonly stepMs?: number;
}

/**
 * The next margin δ after a request was answered in `answeredMs`:
 *
 *   δ ← max(0, δ + η·(1{latency > SLO} − (1 − q)/2))
 *
 * This is online conformal inference (Gibbs and Candès, NeurIPS 2021). It aims at half of the error budget, so that short intervals
 * meet the objective too. Guarantee for any sequence: suppose that no request is late while δ ≥ δ_max. Then at most n(1 − q)/2 +
 * (δ_max + η)/η of n requests are late, plus those in flight. Proof: each request raises δ by at least η·(1{late} − (1 − q)/2), so
 * the sum of these steps, η·(late − n(1 − q)/2), is at most δ, which never exceeds δ_max + η.
 *
 * Do not pass requests delayed by a cold start or by a change of configuration: no margin prevents those delays.
 */
export function nextMarginMs(
  marginMs: number,
  answeredMs: number,
  { latencyMs, quantile, stepMs = latencyMs / 1000 }: MarginTarget,
): number {
  const late = answeredMs > latencyMs ? 1 : 0;
  return Math.max(0, marginMs + stepMs * (late - (1 - quantile) / 2));
}
