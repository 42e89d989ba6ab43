/** When to retry a failed delivery. Pure. */
import type { Job } from '../../storage/index.ts';

/** Retry limits of a target. */
export interface RetryPolicy {
  /** Attempts after the first one. */
  readonly retriesMax: number;
  readonly ageSMax: number;
}

/** About sixteen hours in total. */
const afterMs = [1000, 5000, 30_000, 120_000, 600_000, 3_600_000, 10_800_000, 21_600_000, 21_600_000];
const usual: RetryPolicy = { retriesMax: afterMs.length, ageSMax: 86_400 };

/** Delay in milliseconds; null if the delivery is given up. */
export function retryOf({ attempts, createdAtMs }: Pick<Job, 'attempts' | 'createdAtMs'>, nowMs: number, policy = usual): number | null {
  const next = afterMs[Math.min(attempts, afterMs.length) - 1] as number;
  const isTooOld = nowMs + next - createdAtMs > policy.ageSMax * 1000;
  return attempts > policy.retriesMax || isTooOld ? null : next;
}
