/** How much somebody may yet take: a burst, and so much each minute from then on. */

export interface Allowance {
  left: number;
  /** When `left` was that, milliseconds of the monotonic clock. */
  atMs: number;
}

export interface Bounds {
  readonly burst: number;
  readonly perMinute: number;
}

/** Whether there is one left; then it is taken. */
export function takeOne(allowance: Allowance, bounds: Bounds, nowMs: number): boolean {
  allowance.left = leftOf(allowance, bounds, nowMs);
  allowance.atMs = nowMs;
  if (allowance.left < 1) return false;
  allowance.left--;
  return true;
}

/** As much as one has that never took any. */
export function isWhole(allowance: Allowance, bounds: Bounds, nowMs: number): boolean {
  return leftOf(allowance, bounds, nowMs) >= bounds.burst;
}

function leftOf({ left, atMs }: Allowance, { burst, perMinute }: Bounds, nowMs: number): number {
  return Math.min(burst, left + ((nowMs - atMs) / 60_000) * perMinute);
}
