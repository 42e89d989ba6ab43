/** Timings of each stage, for requests with the parameter `timings`. */
import type { InferenceResult } from '../serving/index.ts';

/** Response parameters, in milliseconds and USD. */
export function timingParameters({
  timings,
  batchRows,
  closeReason,
  costUsd,
  coldStart,
  parts,
}: InferenceResult): Record<string, number | string | boolean> {
  return {
    queue_ms: timings.queueMs,
    ...(parts === undefined ? { compute_ms: timings.computeMs } : { parts, parts_compute_ms: timings.computeMs }),
    service_ms: timings.serviceMs,
    batch_size: batchRows,
    close_reason: closeReason,
    cost_usd: costUsd,
    ...(coldStart ? { cold_start: true } : {}),
  };
}
