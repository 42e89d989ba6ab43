/** Compares each feature with its baseline. */
import { Slices } from '../../threads/index.ts';
import { baselineOf, bucketShares, type FeatureBaseline, finiteRising, quantile, sampleMax } from './baseline.ts';
import type { RowsBaseline } from './posted-baseline.ts';
import { chanceProbability, largestDistance, rejected, stabilityIndex } from './statistics.ts';

/** One feature compared with its baseline. */
export interface FeatureDrift {
  readonly name: string;
  /** Population stability index. */
  readonly stability: number;
  /** Kolmogorov-Smirnov distance, 0..1. `chance` is its p-value. */
  readonly distance: number;
  readonly chance: number;
  /** Large enough to matter and statistically significant, corrected for the number of features. */
  readonly hasDrifted: boolean;
  /** p5, p50 and p95 of the baseline and of recent rows; null without finite values. */
  readonly baseline: Spread | null;
  readonly now: Spread | null;
  /** Share of non-finite values; null for a baseline where it is unknown. */
  readonly missing: { readonly baseline: number | null; readonly now: number };
}

/** p5, p50 and p95. */
export type Spread = readonly [number, number, number];

/** All features; `drifted` counts those that have drifted. */
export interface DriftReport {
  /** Number of sampled rows. */
  readonly rows: number;
  readonly features: readonly FeatureDrift[];
  readonly drifted: number;
}

/** A shift is reported from this population stability index on; the customary threshold. */
export const stabilityMark = 0.25;
/** Accepted share of false positives among reported features. */
const falseRate = 0.05;
const rowsMin = 50;
/** Sorting this many values takes a few milliseconds. */
const valuesPerSlice = 20_000;

/** `values`: recent values by feature. Null with too few rows. Yields to the event loop: 512 features take a fifth of a second. */
export async function driftReport(
  baselines: readonly FeatureBaseline[],
  values: ReadonlyMap<string, readonly number[]>,
): Promise<DriftReport | null> {
  const rows = Math.max(0, ...[...values.values()].map(({ length }) => length));
  if (rows < rowsMin) return null;
  const measured: Omit<FeatureDrift, 'hasDrifted'>[] = [];
  const slices = new Slices(valuesPerSlice);
  for (const baseline of baselines) {
    const recent = values.get(baseline.name) ?? [];
    const feature = compared(baseline, recent);
    if (feature !== null) measured.push(feature);
    await slices.done(recent.length);
  }
  const isSignificant = rejected(
    measured.map(({ chance }) => chance),
    falseRate,
  );
  const features = measured.map((each, i) => ({ ...each, hasDrifted: (isSignificant[i] ?? false) && each.stability >= stabilityMark }));
  return { rows, features, drifted: features.filter(({ hasDrifted }) => hasDrifted).length };
}

/** Null with too few values. Missing values form a separate part if the baseline has their share. */
function compared(baseline: FeatureBaseline, values: readonly number[]): Omit<FeatureDrift, 'hasDrifted'> | null {
  if (values.length < rowsMin) return null;
  const sorted = finiteRising(values);
  const missing = { baseline: baseline.missing, now: 1 - sorted.length / values.length };
  const isKnown = missing.baseline !== null;
  const usual = { sorted: baseline.sample, missing: missing.baseline ?? 0 };
  const arrived = { sorted, missing: isKnown ? missing.now : 0 };
  const counts = { expected: baseline.count, actual: isKnown ? values.length : sorted.length };
  const described = { name: baseline.name, baseline: spread(baseline.sample), now: spread(sorted), missing };
  if (counts.actual < rowsMin) return { ...described, stability: 0, distance: 0, chance: 1 };
  const distance = largestDistance(usual, arrived);
  return {
    ...described,
    stability: stabilityIndex(
      withMissing(usual.missing, baseline.shares),
      withMissing(arrived.missing, bucketShares(baseline.bounds, sorted)),
      counts,
    ),
    distance,
    chance: chanceProbability(distance, Math.min(baseline.count, sampleMax), counts.actual),
  };
}

function withMissing(missing: number, shares: readonly number[]): number[] {
  return [missing, ...shares.map((share) => share * (1 - missing))];
}

/** Makes the baselines of all features, yielding to the event loop in between. */
export async function baselinesOf(values: ReadonlyMap<string, readonly number[]>): Promise<RowsBaseline> {
  const features: FeatureBaseline[] = [];
  const slices = new Slices(valuesPerSlice);
  let rows = 0;
  for (const [name, each] of values) {
    const feature = baselineOf(name, each);
    if (feature !== null) features.push(feature);
    rows = Math.max(rows, each.length);
    await slices.done(each.length);
  }
  return { features, rows };
}

function spread(sorted: ArrayLike<number>): Spread | null {
  return sorted.length === 0 ? null : [quantile(sorted, 0.05), quantile(sorted, 0.5), quantile(sorted, 0.95)];
}
