/** The binomial distribution, exact to about 1e-13 for up to 10 million trials. */
import assert from 'node:assert/strict';

const halfLogTwoPi = 0.5 * Math.log(2 * Math.PI);

/** P(Bin(trials, share) <= most). */
export function binomialCdf(most: number, trials: number, share: number): number {
  assert(Number.isInteger(trials) && trials >= 0, `expected a whole number of trials, got ${trials}`);
  assert(share >= 0 && share <= 1, `expected a share from 0 to 1, got ${share}`);
  if (most < 0) return 0;
  if (most >= trials || share === 0) return 1;
  if (share === 1) return 0;
  // The tail without the mode is the small one: summing it loses nothing.
  if (most <= trials * share) return lowerTail(Math.floor(most), trials, share);
  return 1 - lowerTail(trials - Math.floor(most) - 1, trials, 1 - share);
}

/** P(Bin(trials, share) = count). */
export function binomialPmf(count: number, trials: number, share: number): number {
  return Math.exp(logPmf(count, trials, share));
}

/** The sum of the terms from `most` down, which fall from there on. */
function lowerTail(most: number, trials: number, share: number): number {
  const odds = (1 - share) / share;
  let term = binomialPmf(most, trials, share);
  let sum = term;
  for (let count = most; count > 0 && term > sum * 1e-18; count--) {
    term *= (count / (trials - count + 1)) * odds;
    sum += term;
  }
  return Math.min(sum, 1);
}

/** Loader's saddle-point expansion (C. Loader, Fast and Accurate Computation of Binomial Probabilities, 2000, section 4). */
function logPmf(count: number, trials: number, share: number): number {
  const rest = trials - count;
  if (share === 0) return count === 0 ? 0 : Number.NEGATIVE_INFINITY;
  if (share === 1) return rest === 0 ? 0 : Number.NEGATIVE_INFINITY;
  if (count === 0) return trials * Math.log1p(-share);
  if (rest === 0) return trials * Math.log(share);
  const saddle = stirlingError(trials) - stirlingError(count) - stirlingError(rest);
  const deviance = devianceTerm(count, trials * share) + devianceTerm(rest, trials * (1 - share));
  return saddle - deviance - halfLogTwoPi + 0.5 * (Math.log(trials) - Math.log(count) - Math.log(rest));
}

/** ln n! minus Stirling's formula (Loader, equation 4). */
function stirlingError(n: number): number {
  if (n < 16) return smallErrors[n] as number;
  const squared = n * n;
  return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / 1188 / squared) / squared) / squared) / squared) / n;
}

const smallErrors: readonly number[] = Array.from({ length: 16 }, (_, n) => {
  if (n === 0) return 0;
  let logFactorial = 0;
  for (let i = 2; i <= n; i++) logFactorial += Math.log(i);
  return logFactorial - (n + 0.5) * Math.log(n) + n - halfLogTwoPi;
});

/** x ln(x/mean) + mean - x without cancellation where x is near the mean (Loader, equation 5). */
function devianceTerm(x: number, mean: number): number {
  const difference = x - mean;
  if (Math.abs(difference) >= 0.1 * (x + mean)) return x * Math.log(x / mean) - difference;
  const v = difference / (x + mean);
  let sum = difference * v;
  let term = 2 * x * v;
  for (let j = 1; ; j++) {
    term *= v * v;
    const next = sum + term / (2 * j + 1);
    if (next === sum) return next;
    sum = next;
  }
}
