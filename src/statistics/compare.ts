/** Compares two models that answered the same rows. */
import assert from 'node:assert/strict';
import { binomialCdf } from './binomial.ts';

/**
 * The p-value of McNemar's exact test, two-sided: could two equally good models differ so much? Only rows on which one of them is right
 * tell anything.
 */
export function mcnemar(onlyFirstRight: number, onlySecondRight: number): number {
  const discordant = onlyFirstRight + onlySecondRight;
  return Math.min(1, 2 * binomialCdf(Math.min(onlyFirstRight, onlySecondRight), discordant, 0.5));
}

export interface BootstrapOptions {
  readonly draws?: number;
  readonly seed?: number;
}

export interface BootstrapResult {
  readonly mean: number;
  /** 95 %. */
  readonly low: number;
  readonly high: number;
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
  const at = (share: number): number => means[Math.max(Math.ceil(share * draws) - 1, 0)] as number;
  return { mean: differences.reduce((sum, difference) => sum + difference, 0) / rows, low: at(0.025), high: at(0.975) };
}
