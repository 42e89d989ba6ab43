/** How much somebody may yet take: a burst, and so much each minute from then on. */

export interface Allowance {
  left: number;
  /** When `left` was that, milliseconds of the monotonic clock. */
  atMs: number;
}

/** Whether there is one left; then it is taken. */
export function takeOne(
  allowance: Allowance,
  { burst, perMinute }: { readonly burst: number; readonly perMinute: number },
  nowMs: number,
): boolean {
  allowance.left = Math.min(burst, allowance.left + ((nowMs - allowance.atMs) / 60_000) * perMinute);
  allowance.atMs = nowMs;
  if (allowance.left < 1) return false;
  allowance.left--;
  return true;
}
