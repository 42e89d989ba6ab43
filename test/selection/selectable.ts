/** The models of `outcomesOf` as candidates: their answers, and their measured service times at any scale. */
import type { SeededRandom } from '../../src/random.ts';
import type { SelectableModel } from '../../src/selection/index.ts';
import type { ModelOutcomes } from '../../src/statistics/index.ts';
import { type Outcomes, outcomesOf } from './index.ts';

const sizes = [0, 1, 2, 4, 8, 16, 32];

/** Medians in milliseconds by 1, 2, 4, 8, 16 and 32 rows, one thread. From `test/models/README.md` and the data set's notes. */
const measuredMs = {
  digits: {
    digits_logreg: [0.012, 0.011, 0.011, 0.011, 0.012, 0.013],
    digits_mlp: [0.013, 0.012, 0.013, 0.013, 0.015, 0.018],
    digits_rf: [0.011, 0.013, 0.014, 0.018, 0.025, 0.04],
    digits_cnn: [0.02, 0.028, 0.043, 0.075, 0.136, 0.261],
  },
  fashion: {
    fashion_logreg: [0.0076, 0.0077, 0.0081, 0.01, 0.0124, 0.0189],
    fashion_mlp: [0.0097, 0.0099, 0.0116, 0.0162, 0.0246, 0.0429],
    fashion_cnn: [0.054, 0.085, 0.147, 0.275, 0.532, 1.049],
  },
} as const;

export type Family = keyof typeof measuredMs;

/** By rows from 0 to 32: linear between the sizes, never falling. */
export function timesOf(measured: readonly number[], scale: number): Float64Array {
  let most = 0;
  const ms = [0, ...measured.map((each) => (most = Math.max(most, each * scale)))];
  return Float64Array.from({ length: 33 }, (_, rows) => {
    const above = sizes.findIndex((size) => size >= rows);
    const [low, high] = [sizes[above - 1] ?? 0, sizes[above] as number];
    const [lowMs, highMs] = [ms[above - 1] ?? 0, ms[above] as number];
    return high === low || rows === high ? highMs : lowMs + ((highMs - lowMs) * (rows - low)) / (high - low);
  });
}

/** Candidates with times `scale` times as long as measured. `outcomes`: other rows than all. */
export function selectableModels(family: Family, scale: number, outcomes: Outcomes = outcomesOf(family)): SelectableModel[] {
  return Object.entries(measuredMs[family]).map(([name, measured]) => {
    const times = timesOf(measured, scale);
    return { name, ...(outcomes.models.get(name) as ModelOutcomes), medianMs: times, quantileMs: times, workerKey: 'onnx' };
  });
}

/** The rows with these indexes. */
export function rowsOf({ labels, models }: Outcomes, rows: Int32Array): Outcomes {
  const picked = [...models].map(([name, { predictions, unsureness }]): [string, ModelOutcomes] => [
    name,
    {
      predictions: Int32Array.from(rows, (row) => predictions[row] as number),
      unsureness: Float64Array.from(rows, (row) => unsureness[row] as number),
    },
  ]);
  return { labels: Int32Array.from(rows, (row) => labels[row] as number), models: new Map(picked) };
}

/** The numbers below `length` in random order. */
export function shuffled(length: number, random: SeededRandom): Int32Array {
  const order = Int32Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor(random.next() * (i + 1));
    const moved = order[i] as number;
    order[i] = order[j] as number;
    order[j] = moved;
  }
  return order;
}
