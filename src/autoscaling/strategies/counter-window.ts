/** Rates over a time window, from a counter that only increases. Stores a few samples instead of single events. */

/** Value of a counter at one time. */
export interface CounterSample {
  readonly atMs: number;
  readonly value: number;
}

/**
 * Adds the current sample and drops samples outside the window. If the counter fell, it was restarted, so earlier samples are
 * dropped. A sample less than `spacingMs` after the second-to-last one replaces the last one.
 */
export function withSample(samples: readonly CounterSample[], now: CounterSample, windowMs: number, spacingMs: number): CounterSample[] {
  const last = samples.at(-1);
  if (last !== undefined && (now.value < last.value || now.atMs < last.atMs)) return [now];
  const before = samples.at(-2);
  const replaces = last !== undefined && (now.atMs === last.atMs || (before !== undefined && last.atMs - before.atMs < spacingMs));
  const retained = replaces ? samples.slice(0, -1) : samples.slice();
  retained.push(now);
  const startMs = now.atMs - windowMs;
  let first = 0;
  while (first + 1 < retained.length && (retained[first + 1] as CounterSample).atMs <= startMs) first++;
  return first === 0 ? retained : retained.slice(first);
}

/**
 * Increase per millisecond over the last `windowMs`, or since the first sample if that is later. null if there is only one
 * sample.
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
