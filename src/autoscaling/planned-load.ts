/** How many functions planned arrivals would keep busy, played out as if one were always free. Pure. */
import { arrivalTimesMs, type HoldPolicy, type ProfilePoint, replayBatches } from '../queueing/index.ts';
import { SeededRandom } from '../random.ts';
import type { BatchingSetting } from './batching-decision.ts';
import type { ArrivalsGiven } from './choose-batching.ts';

/** Arrivals that an assumed process is played out for. */
const playedArrivals = 5000;

/** The arrivals themselves, or some of an assumed process; the same each time. */
export function playedArrivalsMs(arrivals: ArrivalsGiven): Float64Array {
  return arrivals.kind === 'seen' ? arrivals.timesMs : arrivalTimesMs(arrivals.process, new SeededRandom(1), playedArrivals);
}

export interface PlannedLoad {
  /** Functions that are busy in the mean: batches per second times seconds per batch. */
  readonly busyMean: number;
  /** Busy at once at most. */
  readonly needed: number;
  /** Share of the batches that would find `maxConcurrency` functions busy. */
  readonly waitingShare: number;
}

/** The load of `arrivalsMs` (ascending) under a setting, in functions of the memory that was measured as `points`. */
export function plannedLoad(
  arrivalsMs: Float64Array,
  { batchSizeMax, waitMsMax }: BatchingSetting,
  points: readonly ProfilePoint[],
  { latencyMs, ratePerSecond, maxConcurrency }: { latencyMs: number; ratePerSecond: number; maxConcurrency: number },
): PlannedLoad {
  const pointOf = (rows: number): ProfilePoint => (points.find(({ batchSize }) => batchSize >= rows) ?? points.at(-1)) as ProfilePoint;
  const meanMs = (rows: number): number => mean(pointOf(rows).serviceMs);
  // As the choice had it: for the slowest run of many, batches would leave long before they do. Never falling with the rows.
  const dispatchMs = (rows: number): number => {
    const { batchSize } = pointOf(rows);
    const upTo = points.filter((point) => point.batchSize <= batchSize);
    return upTo.reduce((longest, point) => Math.max(longest, point.dispatchMs ?? longestOf(point.serviceMs)), 0);
  };
  const policy: HoldPolicy =
    batchSizeMax === 1 || waitMsMax === 0
      ? { kind: 'none' }
      : waitMsMax === null
        ? { kind: 'slack', batchSizeMax, serviceMs: dispatchMs }
        : { kind: 'timeout', batchSizeMax, waitMsMax };
  const batches = replayBatches(arrivalsMs, policy, latencyMs);
  const starts = Float64Array.from(batches, ({ leftMs }) => leftMs).toSorted();
  const ends = Float64Array.from(batches, ({ leftMs, rows }) => leftMs + meanMs(rows)).toSorted();
  let [ended, most, waiting] = [0, 0, 0];
  for (let i = 0; i < starts.length; i++) {
    while (ended < i && (ends[ended] as number) <= (starts[i] as number)) ended++;
    const busy = i + 1 - ended;
    most = Math.max(most, busy);
    if (busy > maxConcurrency) waiting++;
  }
  const msPerRow = batches.reduce((sum, { rows }) => sum + meanMs(rows), 0) / Math.max(1, arrivalsMs.length);
  // Little's law. What was played out may be over before so many are busy.
  const busyMean = (ratePerSecond * msPerRow) / 1000;
  const waitingShare = busyMean >= maxConcurrency ? 1 : waiting / Math.max(1, batches.length);
  return { busyMean, needed: Math.max(most, Math.ceil(busyMean)), waitingShare };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

function longestOf(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), 0);
}
