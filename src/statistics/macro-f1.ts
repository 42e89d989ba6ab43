/** An interval for macro-F1, which is not a share of rows, so it has no exact one: the percentile bootstrap over rows (B. Efron, 1979). */
import assert from 'node:assert/strict';
import type { Interval } from './intervals.ts';

/** Labels and answers, row by row. */
export interface MacroF1Rows {
  readonly classes: number;
  readonly labels: Int32Array;
  /** -1: no answer. */
  readonly predictions: Int32Array;
}

/** The 95 % interval of macro-F1, from a seed. Costs draws x rows steps. */
export function macroF1Interval({ classes, labels, predictions }: MacroF1Rows, draws = 1000, seed = 1): Interval {
  const rows = labels.length;
  assert(rows > 0 && predictions.length === rows, 'expected one answer for each of at least one row');
  let state = seed;
  const right = new Int32Array(classes);
  const occurred = new Int32Array(classes);
  const drawn = new Float64Array(draws);
  for (let draw = 0; draw < draws; draw++) {
    right.fill(0);
    occurred.fill(0);
    for (let i = 0; i < rows; i++) {
      state = (Math.imul(1_664_525, state) + 1_013_904_223) >>> 0;
      const row = Math.floor((state * rows) / 2 ** 32);
      const [label, prediction] = [labels[row] as number, predictions[row] as number];
      occurred[label] = (occurred[label] as number) + 1;
      if (prediction >= 0) occurred[prediction] = (occurred[prediction] as number) + 1;
      if (label === prediction) right[label] = (right[label] as number) + 1;
    }
    drawn[draw] = macroF1(right, occurred);
  }
  drawn.sort();
  const at = (share: number): number => drawn[Math.max(Math.ceil(share * draws) - 1, 0)] as number;
  return { low: at(0.025), high: at(0.975) };
}

/** F1 is 2 TP / (labels + answers) of a class; the mean is over classes that occur. */
function macroF1(right: Int32Array, occurred: Int32Array): number {
  let [sum, count] = [0, 0];
  for (let i = 0; i < right.length; i++) {
    if (occurred[i] === 0) continue;
    sum += (2 * (right[i] as number)) / (occurred[i] as number);
    count++;
  }
  return sum / count;
}
