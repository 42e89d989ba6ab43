/** Number of functions that planned arrivals keep busy, simulated as if a free function were always available. Pure functions. */
import { arrivalTimesMs, type HoldPolicy, type ProfilePoint, replayBatches } from '../../queueing/index.ts';
import { SeededRandom } from '../../random.ts';
import type { BatchingSetting } from './batching-decision.ts';
import type { ArrivalsInput } from './choose-batching.ts';

/** Number of simulated arrivals of an assumed process. */
const playedArrivals = 5000;

/** Recorded arrivals, or a deterministic sample of an assumed process. Times in milliseconds, ascending. */
export function generatedArrivalsMs(arrivals: ArrivalsInput): Float64Array {
  return arrivals.kind === 'seen' ? arrivals.timesMs : arrivalTimesMs(arrivals.process, new SeededRandom(1), playedArrivals);
}

/** How many functions a plan keeps busy. Cold starts are not included. */
export interface PlannedLoad {
  /** Mean number of busy functions: batches per second times seconds per batch. */
  readonly busyMean: number;
  /** Maximum number of functions busy at the same time. */
  readonly needed: number;
  /** Share of batches that would find all `maxConcurrency` functions busy. */
  readonly waitingShare: number;
}

/** The load of `arrivalsMs` (ascending) under a setting. `points`: measurements of the functions' memory size. */
export function plannedLoad(
  arrivalsMs: Float64Array,
  { batchSizeMax, waitMsMax }: BatchingSetting,
  points: readonly ProfilePoint[],
  { latencyMs, ratePerSecond, maxConcurrency }: { latencyMs: number; ratePerSecond: number; maxConcurrency: number },
): PlannedLoad {
  const pointOf = (rows: number): ProfilePoint => (points.find(({ batchSize }) => batchSize >= rows) ?? points.at(-1)) as ProfilePoint;
  const meanMs = (rows: number): number => mean(pointOf(rows).serviceMs);
  // Estimates as in the choice, not by the slowest of many runs: that would dispatch batches much earlier than serving does.
  // Never decreases with the rows.
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
  const starts = Float64Array.from(batches, ({ dispatchedMs }) => dispatchedMs).toSorted();
  const ends = Float64Array.from(batches, ({ dispatchedMs, rows }) => dispatchedMs + meanMs(rows)).toSorted();
  let [ended, most, waiting] = [0, 0, 0];
  for (let i = 0; i < starts.length; i++) {
    while (ended < i && (ends[ended] as number) <= (starts[i] as number)) ended++;
    const busy = i + 1 - ended;
    most = Math.max(most, busy);
    if (busy > maxConcurrency) waiting++;
  }
  const msPerRow = batches.reduce((sum, { rows }) => sum + meanMs(rows), 0) / Math.max(1, arrivalsMs.length);
  // Little's law, because the simulated stretch may end before so much concurrency builds up.
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
