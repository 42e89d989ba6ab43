/** Rates over the last so many seconds, from a counter that only rises. A few samples are remembered, no event. */

export interface CounterSample {
  readonly atMs: number;
  readonly value: number;
}

/**
 * With what the counter shows now, without what the window does not reach any more. A counter that fell has begun anew: what
 * was before is forgotten. Samples closer than `spacingMs` to the one before the last replace the last.
 */
export function withSample(samples: readonly CounterSample[], now: CounterSample, windowMs: number, spacingMs: number): CounterSample[] {
  const last = samples.at(-1);
  if (last !== undefined && (now.value < last.value || now.atMs < last.atMs)) return [now];
  const before = samples.at(-2);
  const replaces = last !== undefined && (now.atMs === last.atMs || (before !== undefined && last.atMs - before.atMs < spacingMs));
  const kept = replaces ? samples.slice(0, -1) : samples.slice();
  kept.push(now);
  const startMs = now.atMs - windowMs;
  let first = 0;
  while (first + 1 < kept.length && (kept[first + 1] as CounterSample).atMs <= startMs) first++;
  return first === 0 ? kept : kept.slice(first);
}

/**
 * By how much the counter rose per millisecond over the last `windowMs`, or since the first sample where that is later;
 * null while there is only one.
 */
export function risePerMs(samples: readonly CounterSample[], windowMs: number): number | null {
  const last = samples.at(-1);
  if (last === undefined) return null;
  let from: CounterSample | undefined;
  for (const sample of samples) {
    if (from !== undefined && sample.atMs > last.atMs - windowMs) break;
    from = sample;
  }
  if (from === undefined || from.atMs >= last.atMs) return null;
  return (last.value - from.value) / (last.atMs - from.atMs);
}
