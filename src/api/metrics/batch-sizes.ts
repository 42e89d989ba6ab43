/** The batches of the last ten minutes by number of rows and close reason. */
import { CombinedMeasure, type Measured } from '../../metrics/index.ts';
import { isoTime } from '../routing/parameters.ts';
import { type MetricReader, readCombined } from './combined-metrics.ts';
import type { HistoryBody } from './overview-bodies.ts';

const minuteMs = 60_000;
const backMs = 10 * minuteMs;
const reasons = ['idle', 'full', 'ahead', 'company', 'late', 'slack', 'next-would-miss', 'timeout', 'rescue', 'flush'] as const;

/** Null if no batch ran in this time. */
export async function batchesOf(
  store: MetricReader,
  metricSource: Parameters<typeof readCombined>[1],
  nowMs: number,
): Promise<HistoryBody['batches']> {
  const toMs = Math.ceil(nowMs / minuteMs) * minuteMs;
  const span = { fromMs: toMs - backMs, toMs, periodMs: minuteMs };
  const names = reasons.map((reason) => `BatchRows/${reason}` as const);
  const read = await readCombined(store, metricSource, span, names);
  const byReason = reasons.flatMap((reason) => {
    const all = new CombinedMeasure();
    for (const measured of read[`BatchRows/${reason}`].values()) all.add(measured);
    return all.count === 0 ? [] : [{ reason, all }];
  });
  if (byReason.length === 0) return null;
  const dispatched = byReason.reduce((sum, { all }) => sum + all.count, 0);
  const rows = byReason.reduce((sum, { all }) => sum + all.sum, 0);
  const largest = Math.max(...byReason.map(({ all }) => all.max));
  return {
    since: isoTime(span.fromMs),
    dispatched,
    mean_rows: rows / dispatched,
    sizes: sizesUpTo(largest).map((size) => ({ ...size, reasons: within(byReason, size) })),
  };
}

/** Histogram buckets 1, 2, 3-4, 5-8, ... rows. */
function sizesUpTo(largest: number): { from: number; to: number }[] {
  const sizes = [{ from: 1, to: 1 }];
  for (let to = 2; (sizes.at(-1)?.to ?? 0) < largest; to *= 2) sizes.push({ from: to / 2 + 1, to });
  return sizes;
}

function within(
  byReason: readonly { readonly reason: string; readonly all: Measured }[],
  { from, to }: { from: number; to: number },
): Record<string, number> {
  // Sketches have about 1 % relative error, so an integer is counted from half a row below to half a row above.
  const counted = byReason.map(({ reason, all }) => [reason, all.sketch.countUpTo(to + 0.5) - all.sketch.countUpTo(from - 0.5)] as const);
  return Object.fromEntries(counted.filter(([, count]) => count > 0));
}
