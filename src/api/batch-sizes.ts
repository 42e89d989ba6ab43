/** The batches of the last minutes, by how many rows they had and why they left. */
import { type Measured, Together } from '../monitoring/index.ts';
import { type Store, together } from './measured-together.ts';
import type { HistoryBody } from './overview-bodies.ts';
import { timeOf } from './parameters.ts';

const minuteMs = 60_000;
const backMs = 10 * minuteMs;
const reasons = ['idle', 'full', 'ahead', 'slack', 'next-would-miss', 'timeout', 'rescue', 'flush'] as const;

export async function batchesOf(store: Store, place: Parameters<typeof together>[1], nowMs: number): Promise<HistoryBody['batches']> {
  const toMs = Math.ceil(nowMs / minuteMs) * minuteMs;
  const span = { fromMs: toMs - backMs, toMs, periodMs: minuteMs };
  const names = reasons.map((reason) => `BatchRows/${reason}` as const);
  const read = await together(store, place, span, names);
  const left = reasons.flatMap((reason) => {
    const all = new Together();
    for (const measured of read[`BatchRows/${reason}`].values()) all.add(measured);
    return all.count === 0 ? [] : [{ reason, all }];
  });
  if (left.length === 0) return null;
  const dispatched = left.reduce((sum, { all }) => sum + all.count, 0);
  const rows = left.reduce((sum, { all }) => sum + all.sum, 0);
  const largest = Math.max(...left.map(({ all }) => all.max));
  return {
    since: timeOf(span.fromMs),
    dispatched,
    mean_rows: rows / dispatched,
    sizes: sizesUpTo(largest).map((size) => ({ ...size, reasons: within(left, size) })),
  };
}

/** 1, 2, 3-4, 5-8, ...: what batches are made of. */
function sizesUpTo(largest: number): { from: number; to: number }[] {
  const sizes = [{ from: 1, to: 1 }];
  for (let to = 2; (sizes.at(-1)?.to ?? 0) < largest; to *= 2) sizes.push({ from: to / 2 + 1, to });
  return sizes;
}

function within(
  left: readonly { readonly reason: string; readonly all: Measured }[],
  { from, to }: { from: number; to: number },
): Record<string, number> {
  // Distributions are kept within a percent or so: a whole number is looked for from half a row below to half a row above.
  const counted = left.map(({ reason, all }) => [reason, all.sketch.countUpTo(to + 0.5) - all.sketch.countUpTo(from - 0.5)] as const);
  return Object.fromEntries(counted.filter(([, count]) => count > 0));
}
