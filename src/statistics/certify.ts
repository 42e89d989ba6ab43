/**
 * Certifies that a model, or a cascade of two, keeps a floor of accuracy: Learn then Test (Angelopoulos et al. 2021) by fixed-sequence
 * testing. Whatever the models and the rows are, the probability that any certified plan is below the floor is at most 1 - confidence, so
 * any of them may be chosen, also by price and after looking. Choosing by the measured accuracy alone breaks the floor in up to half of
 * all cases.
 */
import { binomialCdf } from './binomial.ts';

/** How one model answered each row of an evaluation set. */
export interface ModelOutcomes {
  /** Classes by row. */
  readonly predictions: Int32Array;
  /** 1 minus the largest score by row; a row goes on to the second model of a cascade if it is above the threshold. */
  readonly unsureness: Float64Array;
}

/** A model alone, or a cascade. Models are numbered from the cheapest to the most expensive. */
export interface PlanTest {
  /** -1: every row goes on to the second model; 1: none. A model alone has 1. */
  readonly threshold: number;
  readonly errors: number;
  /** Rows that go on to the second model. */
  readonly escalated: number;
  /** The p-value of "the accuracy is below the floor". */
  readonly pValue: number;
  readonly isCertified: boolean;
}

/** A fixed sequence of tests, which share one level. */
export interface Chain {
  readonly first: number;
  /** null for a model alone. */
  readonly second: number | null;
  /** The error probability that its tests share. */
  readonly level: number;
  /** In the order of the tests; after one that failed, the rest is not tested. */
  readonly tests: readonly PlanTest[];
}

/** From "every row goes on" to "none does". Fixed before any row is seen: otherwise the tests would not hold. */
export const thresholds: readonly number[] = [
  -1, 1e-5, 1e-4, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 1,
];

/** The floor, and the error probabilities to spend. */
export interface CertifyOptions {
  /** The accuracy to be kept, above 0 and below 1. */
  readonly floor: number;
  /** The level of each chain of `chainsOf`. The probability that any certified plan is below the floor is at most their sum. */
  readonly levels: readonly number[];
  /** `countCascades` of two of the models, if the caller needs them, too. */
  readonly cascadesOf?: (first: number, second: number) => readonly CascadeCounts[];
}

/** Each model alone, then each pair of a cheaper and a more expensive one. Models are numbered in the order of their price. */
export function chainsOf(models: number): readonly Pick<Chain, 'first' | 'second'>[] {
  const numbers = Array.from({ length: models }, (_, first) => first);
  const pairs = numbers.flatMap((first) => numbers.slice(first + 1).map((second) => ({ first, second })));
  return [...numbers.map((first) => ({ first, second: null })), ...pairs];
}

/** Tests all models, and all cascades from a cheaper to a more expensive one. `models` are in the order of their price. */
export function certify(labels: Int32Array, models: readonly ModelOutcomes[], options: CertifyOptions): readonly Chain[] {
  const { floor, levels, cascadesOf = cascadeCounter(labels, models) } = options;
  return chainsOf(models.length).map(({ first, second }, chain): Chain => {
    const level = levels[chain] as number;
    const tests: PlanTest[] = [];
    const outcomes = models[first] as ModelOutcomes;
    const cascades = second === null ? null : cascadesOf(first, second);
    for (const [i, threshold] of (cascades === null ? [1] : thresholds).entries()) {
      const { errors, escalated } = cascades?.[i] ?? countOutcomes(labels, outcomes, null, threshold);
      const counts = { errors, escalated };
      const pValue = binomialCdf(counts.errors, labels.length, 1 - floor);
      tests.push({ threshold, ...counts, pValue, isCertified: pValue <= level });
      if (pValue > level) break;
    }
    return { first, second, level, tests };
  });
}

/** What a plan would have answered: no model runs again. */
export function countOutcomes(
  labels: Int32Array,
  first: ModelOutcomes,
  second: ModelOutcomes | null,
  threshold: number,
): { readonly errors: number; readonly escalated: number } {
  let [errors, escalated] = [0, 0];
  for (let row = 0; row < labels.length; row++) {
    const goesOn = second !== null && (first.unsureness[row] as number) > threshold;
    if (goesOn) escalated++;
    if ((goesOn ? second : first).predictions[row] !== labels[row]) errors++;
  }
  return { errors, escalated };
}

/** What a cascade would have answered, and how it differs from its second model alone. */
export interface CascadeCounts {
  readonly errors: number;
  readonly escalated: number;
  /** Rows that only the cascade, and only the second model, answers rightly. */
  readonly onlyCascadeRight: number;
  readonly onlySecondRight: number;
}

/** The counts of `countOutcomes` for all thresholds, in their order, in one pass over the rows. */
export function countCascades(labels: Int32Array, first: ModelOutcomes, second: ModelOutcomes): readonly CascadeCounts[] {
  return cascadeCounter(labels, [first, second])(0, 1);
}

/** `countCascades` of pairs of the models, each counted once. */
export function cascadeCounter(
  labels: Int32Array,
  models: readonly ModelOutcomes[],
): (first: number, second: number) => readonly CascadeCounts[] {
  const rows = models.map((model) => judgedRows(labels, model));
  const counted = new Map<string, readonly CascadeCounts[]>();
  return (first, second) => {
    const key = `${first} ${second}`;
    let counts = counted.get(key);
    if (counts === undefined) counted.set(key, (counts = countPair(rows[first] as JudgedRows, rows[second] as JudgedRows)));
    return counts;
  };
}

interface JudgedRows {
  readonly isRight: Uint8Array;
  /** At how many thresholds, the first ones, a row goes on. */
  readonly passed: Uint8Array;
}

function judgedRows(labels: Int32Array, { predictions, unsureness }: ModelOutcomes): JudgedRows {
  const [isRight, passed] = [new Uint8Array(labels.length), new Uint8Array(labels.length)];
  for (let row = 0; row < labels.length; row++) {
    isRight[row] = predictions[row] === labels[row] ? 1 : 0;
    passed[row] = thresholdsBelow(unsureness[row] as number);
  }
  return { isRight, passed };
}

function countPair(first: JudgedRows, second: JudgedRows): readonly CascadeCounts[] {
  // By the number of thresholds passed: errors of both models, and where they differ.
  const width = 5;
  const counts = new Int32Array(width * (thresholds.length + 1));
  // By thresholds and who is right: neither, only the first, only the second, both.
  const seen = new Int32Array(4 * (thresholds.length + 1));
  for (let row = 0; row < first.passed.length; row++) {
    const at = 4 * (first.passed[row] as number) + (first.isRight[row] as number) + 2 * (second.isRight[row] as number);
    seen[at] = (seen[at] as number) + 1;
  }
  for (let passed = 0; passed <= thresholds.length; passed++) {
    const [neither = 0, onlyFirst = 0, onlySecond = 0, both = 0] = seen.subarray(4 * passed, 4 * passed + 4);
    counts.set([neither + onlyFirst + onlySecond + both, neither + onlySecond, neither + onlyFirst, onlyFirst, onlySecond], width * passed);
  }
  return thresholds.map((_, threshold) => {
    let [errors, escalated, onlyCascadeRight, onlySecondRight] = [0, 0, 0, 0];
    for (let passed = 0; passed <= thresholds.length; passed++) {
      const count = (place: number): number => counts[width * passed + place] as number;
      if (passed > threshold) {
        escalated += count(0);
        errors += count(2);
      } else {
        errors += count(1);
        onlyCascadeRight += count(3);
        onlySecondRight += count(4);
      }
    }
    return { errors, escalated, onlyCascadeRight, onlySecondRight };
  });
}

/** How many thresholds are below the value: they ascend. */
function thresholdsBelow(value: number): number {
  let [low, high] = [0, thresholds.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value > (thresholds[middle] as number)) low = middle + 1;
    else high = middle;
  }
  return low;
}
