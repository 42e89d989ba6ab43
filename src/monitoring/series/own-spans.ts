/** What is kept by minutes is an endpoint's own from a moment on: before it another had its name, or it was judged by another objective. */
import type { MetricSpan } from './metric-store.ts';

const secondMs = 1000;
const minuteMs = 60_000;

/** All in epoch milliseconds. */
export interface Since {
  readonly fromMs: number;
  /** Until when it was another's before that; null where it was nobody's. */
  readonly othersUntilMs: number | null;
}

/**
 * By minutes from the one on in which it began. Where it was another's still in that minute, it is its own by seconds, and so is the second in which
 * it began; once seconds are kept no longer, what tens of seconds began since.
 */
export function ownSpans({ fromMs, othersUntilMs }: Since, nowMs: number): Pick<MetricSpan, 'fromMs' | 'toMs' | 'periodMs'>[] {
  const [minute, second] = [floor(fromMs, minuteMs), floor(fromMs, secondMs)];
  const isIn = (beginMs: number): boolean => othersUntilMs !== null && othersUntilMs >= beginMs;
  if (!isIn(minute)) return [{ fromMs: minute, toMs: nowMs, periodMs: minuteMs }].filter(isSome);
  const shared = { fromMs: isIn(second) ? second + secondMs : second, toMs: Math.min(minute + minuteMs, nowMs), periodMs: secondMs };
  return [shared, { fromMs: minute + minuteMs, toMs: nowMs, periodMs: minuteMs }].filter(isSome);
}

function isSome({ fromMs, toMs }: { readonly fromMs: number; readonly toMs: number }): boolean {
  return fromMs < toMs;
}

function floor(atMs: number, periodMs: number): number {
  return Math.floor(atMs / periodMs) * periodMs;
}
