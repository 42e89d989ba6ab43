/** How sure a model is of each row: its largest score. Shared by server and worker. */
import { elementCount, floatsOf, type Tensor } from '../tensor.ts';

/** Scores of several rows, row-major: `values.length` is rows times `classes`. */
export interface Scores {
  readonly values: ArrayLike<number>;
  readonly classes: number;
}

/** Null unless they are floats. */
export function scoresIn(scores: Tensor): Scores | null {
  const values = floatsOf(scores);
  return values === null ? null : { values, classes: elementCount(scores.shape.slice(1)) };
}

/** The largest score of each row and its place, the first of equals. */
export function largestScores(scores: Scores | null, rows: number): { readonly confidence: Float64Array; readonly places: Int32Array } {
  const confidence = new Float64Array(rows).fill(Number.NaN);
  const places = new Int32Array(rows);
  if (scores === null) return { confidence, places };
  for (let row = 0; row < rows; row++) {
    places[row] = placeOfLargest(scores, row);
    confidence[row] = largestScore(scores, row);
  }
  return { confidence, places };
}

/** NaN without scores, or if one of them is not a number. */
export function largestScore(scores: Scores | null, row: number): number {
  if (scores === null || scores.classes === 0) return Number.NaN;
  const { values, classes } = scores;
  let largest = Number.NEGATIVE_INFINITY;
  for (let at = row * classes; at < (row + 1) * classes; at++) {
    const score = values[at] as number;
    if (!Number.isFinite(score)) return Number.NaN;
    if (score > largest) largest = score;
  }
  return largest;
}

function placeOfLargest({ values, classes }: Scores, row: number): number {
  let best = 0;
  for (let place = 1; place < classes; place++) {
    if ((values[row * classes + place] as number) > (values[row * classes + best] as number)) best = place;
  }
  return best;
}
