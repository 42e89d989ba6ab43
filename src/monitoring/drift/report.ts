/** What has drifted: each feature against its baseline. Pure. */
import { baselineOf, type FeatureBaseline, sharesOf } from './baseline.ts';
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
  /** p5, p50, p95 of the baseline and of what came. */
  readonly baseline: readonly [number, number, number];
  readonly now: readonly [number, number, number];
}

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
  const measured = baselines.flatMap((baseline) => {
    const sorted = (values.get(baseline.name) ?? []).filter(Number.isFinite).sort((a, b) => a - b);
    if (sorted.length < rowsMin) return [];
    const distance = largestDistance(baseline.sample, sorted);
    return [
      {
        name: baseline.name,
        stability: stabilityIndex(baseline.shares, sharesOf(baseline.bounds, sorted)),
        distance,
        chance: chanceOf(distance, baseline.sample.length, sorted.length),
        baseline: spread(baseline.sample),
        now: spread(sorted),
      },
    ];
  });
  const isNoChance = rejected(
    measured.map(({ chance }) => chance),
    falseRate,
  );
  const features = measured.map((each, i) => ({ ...each, hasDrifted: (isNoChance[i] ?? false) && each.stability >= stabilityMark }));
  return { rows, features, drifted: features.filter(({ hasDrifted }) => hasDrifted).length };
}

/** Of rows of numbers; features without a name are numbered. */
export function baselinesOf(values: ReadonlyMap<string, readonly number[]>): FeatureBaseline[] {
  return [...values].flatMap(([name, each]) => baselineOf(name, each) ?? []);
}

function spread(sorted: readonly number[]): [number, number, number] {
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return [at(0.05), at(0.5), at(0.95)];
}
