/**
 * Time spans with data of one endpoint only: earlier data in the same slot can belong to a previous endpoint of that name, or can be judged
 * by another objective.
 */
import type { MetricSpan } from './metric-store.ts';

const secondMs = 1000;
const minuteMs = 60_000;

/** Epoch milliseconds. */
export interface SpanOwner {
  readonly fromMs: number;
  /** End of the time in which data belonged to another owner; null if there was none. */
  readonly othersUntilMs: number | null;
}

/**
 * Minutes from the owner's first one. If another owner was active in that minute, only the owner's seconds are used, without a shared
 * second. Once seconds have expired, the reads use ten-second spans.
 */
export function spansSince({ fromMs, othersUntilMs }: SpanOwner, nowMs: number): Pick<MetricSpan, 'fromMs' | 'toMs' | 'periodMs'>[] {
  const [minute, second] = [floor(fromMs, minuteMs), floor(fromMs, secondMs)];
  const isShared = (beginMs: number): boolean => othersUntilMs !== null && othersUntilMs >= beginMs;
  if (!isShared(minute)) return [{ fromMs: minute, toMs: nowMs, periodMs: minuteMs }].filter(isNonEmpty);
  const shared = { fromMs: isShared(second) ? second + secondMs : second, toMs: Math.min(minute + minuteMs, nowMs), periodMs: secondMs };
  return [shared, { fromMs: minute + minuteMs, toMs: nowMs, periodMs: minuteMs }].filter(isNonEmpty);
}

function isNonEmpty({ fromMs, toMs }: { readonly fromMs: number; readonly toMs: number }): boolean {
  return fromMs < toMs;
}

function floor(atMs: number, periodMs: number): number {
  return Math.floor(atMs / periodMs) * periodMs;
}
