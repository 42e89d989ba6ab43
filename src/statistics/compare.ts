/** Compares two models that answered the same rows. */
import assert from 'node:assert/strict';
import { binomialCdf } from './binomial.ts';

/**
 * The p-value of McNemar's exact test, one-sided: how often would the first of two equally good models be the only one that is right on
 * `wins` rows or more, of those on which just one of them is right? P(X >= wins), X ~ Bin(wins + losses, 1/2), which by symmetry is
 * P(X <= losses). 1 if there is no such row.
 */
export function mcnemarTail(wins: number, losses: number): number {
  return binomialCdf(losses, wins + losses, 0.5);
}

/**
 * The p-value of McNemar's exact test, two-sided: could two equally good models differ so much? Only rows on which one of them is right
 * tell anything.
 */
export function mcnemar(onlyFirstRight: number, onlySecondRight: number): number {
  const most = Math.max(onlyFirstRight, onlySecondRight);
  return Math.min(1, 2 * mcnemarTail(most, Math.min(onlyFirstRight, onlySecondRight)));
}

/** Number of draws, and the seed: equal seeds give equal results. */
export interface BootstrapOptions {
  readonly draws?: number;
  readonly seed?: number;
}

/** Of the mean difference of two models. */
export interface BootstrapResult {
  readonly mean: number;
  /** 95 %. */
  readonly low: number;
  readonly high: number;
  /**
   * One-sided p-values: the share of draws whose mean is not above 0, and not below 0. The observed mean counts as a draw (A. Davison and
   * D. Hinkley, Bootstrap Methods, 1997, section 4.2), so that neither is ever 0.
   */
  readonly notAbove: number;
  readonly notBelow: number;
}

/** The mean of paired differences with its percentile interval (B. Efron, 1979), from a seed. */
export function pairedBootstrap(differences: Float64Array, { draws = 2000, seed = 1 }: BootstrapOptions = {}): BootstrapResult {
  const rows = differences.length;
  assert(rows > 0, 'expected at least one row to compare');
  let state = seed;
  const means = new Float64Array(draws);
  for (let draw = 0; draw < draws; draw++) {
    let sum = 0;
    for (let i = 0; i < rows; i++) {
      state = (Math.imul(1_664_525, state) + 1_013_904_223) >>> 0;
      sum += differences[Math.floor((state * rows) / 2 ** 32)] as number;
    }
    means[draw] = sum / rows;
  }
  means.sort();
  const shareOf = (isCounted: (mean: number) => boolean): number => (means.filter(isCounted).length + 1) / (draws + 1);
  const at = (share: number): number => means[Math.max(Math.ceil(share * draws) - 1, 0)] as number;
  return {
    mean: differences.reduce((sum, difference) => sum + difference, 0) / rows,
    low: at(0.025),
    high: at(0.975),
    notAbove: shareOf((mean) => mean <= 0),
    notBelow: shareOf((mean) => mean >= 0),
  };
}
