/** What has drifted: each feature against its baseline. Pure. */
import { baselineOf, type FeatureBaseline, finiteRising, quantile, sampleMax, sharesOf } from './baseline.ts';
import { chanceOf, largestDistance, rejected, stabilityIndex } from './statistics.ts';

export interface FeatureDrift {
  readonly name: string;
  /** Population stability index. */
  readonly stability: number;
  /** Kolmogorov-Smirnov distance, 0..1, and how likely it is by chance. */
  readonly distance: number;
  readonly chance: number;
  /** Large enough to matter, and no chance, many features taken into account. */
  readonly hasDrifted: boolean;
  /** p5, p50, p95 of the baseline and of what came; null where no value is finite. */
  readonly baseline: Spread | null;
  readonly now: Spread | null;
  /** The share of values that are no finite number; of a baseline of which nobody knows, null. */
  readonly missing: { readonly baseline: number | null; readonly now: number };
}

export type Spread = readonly [number, number, number];

export interface DriftReport {
  /** How many rows came. */
  readonly rows: number;
  readonly features: readonly FeatureDrift[];
  readonly drifted: number;
}

/** From here on a shift is worth telling; the usual mark. */
export const stabilityMark = 0.25;
/** Of those told of, so many may be chance. */
const falseRate = 0.05;
const rowsMin = 50;

/** By name: the values of each feature in the rows that came. Null where there are too few rows to say anything. */
export function driftReport(baselines: readonly FeatureBaseline[], values: ReadonlyMap<string, readonly number[]>): DriftReport | null {
  const rows = Math.max(0, ...[...values.values()].map(({ length }) => length));
  if (rows < rowsMin) return null;
  const measured = baselines.flatMap((baseline) => compared(baseline, values.get(baseline.name) ?? []) ?? []);
  const isNoChance = rejected(
    measured.map(({ chance }) => chance),
    falseRate,
  );
  const features = measured.map((each, i) => ({ ...each, hasDrifted: (isNoChance[i] ?? false) && each.stability >= stabilityMark }));
  return { rows, features, drifted: features.filter(({ hasDrifted }) => hasDrifted).length };
}

/** Null where too few values came. What is missing is a part of its own, where it is known of the baseline. */
function compared(baseline: FeatureBaseline, values: readonly number[]): Omit<FeatureDrift, 'hasDrifted'> | null {
  if (values.length < rowsMin) return null;
  const sorted = finiteRising(values);
  const missing = { baseline: baseline.missing, now: 1 - sorted.length / values.length };
  const isKnown = missing.baseline !== null;
  const usual = { sorted: baseline.sample, missing: missing.baseline ?? 0 };
  const came = { sorted, missing: isKnown ? missing.now : 0 };
  const counts = { expected: baseline.count, actual: isKnown ? values.length : sorted.length };
  const shown = { name: baseline.name, baseline: spread(baseline.sample), now: spread(sorted), missing };
  if (counts.actual < rowsMin) return { ...shown, stability: 0, distance: 0, chance: 1 };
  const distance = largestDistance(usual, came);
  return {
    ...shown,
    stability: stabilityIndex(
      withMissing(usual.missing, baseline.shares),
      withMissing(came.missing, sharesOf(baseline.bounds, sorted)),
      counts,
    ),
    distance,
    chance: chanceOf(distance, Math.min(baseline.count, sampleMax), counts.actual),
  };
}

function withMissing(missing: number, shares: readonly number[]): number[] {
  return [missing, ...shares.map((share) => share * (1 - missing))];
}

/** Of rows of numbers; features without a name are numbered. */
export function baselinesOf(values: ReadonlyMap<string, readonly number[]>): FeatureBaseline[] {
  return [...values].flatMap(([name, each]) => baselineOf(name, each) ?? []);
}

function spread(sorted: readonly number[]): Spread | null {
  return sorted.length === 0 ? null : [quantile(sorted, 0.05), quantile(sorted, 0.5), quantile(sorted, 0.95)];
}
