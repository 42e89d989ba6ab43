/** Compares the models of an evaluation by their outcomes. In a thread, because the bootstrap takes long. */
import { mcnemar, pairedBootstrap } from '../statistics/index.ts';
import { type ThreadTask, threadTask } from '../threads/index.ts';
import type { Comparison } from './evaluation.ts';
import { decodeOutcomes } from './outcomes.ts';

/** Outcomes of all models on the same rows, as stored. */
export interface CompareInput {
  readonly models: readonly { readonly name: string; readonly outcomes: Uint8Array }[];
  readonly rows: number;
  readonly isClass: boolean;
}

const stepsMax = 20_000_000;
const drawsMax = 2000;

/** Compares each pair of models. */
export const compareTask: ThreadTask<CompareInput, readonly Comparison[]> = threadTask(import.meta.url, 'compareTask', compareModels);

/** All pairs, in the order of the models. */
export function compareModels({ models, rows, isClass }: CompareInput): readonly Comparison[] {
  const losses = models.map(({ outcomes }) => decodeOutcomes(outcomes, rows, isClass).losses);
  return models.flatMap(({ name: first }, i) =>
    models.slice(i + 1).map(({ name: second }, k): Comparison => {
      const differences = differencesOf(losses[i] as Float64Array, losses[i + 1 + k] as Float64Array);
      return { first, second, ...(isClass ? ofClasses(differences) : ofValues(differences)) };
    }),
  );
}

function differencesOf(first: Float64Array, second: Float64Array): Float64Array {
  return first.map((loss, row) => loss - (second[row] as number));
}

type Compared = Omit<Comparison, 'first' | 'second'>;

function ofClasses(differences: Float64Array): Compared {
  let [onlyFirstRight, onlySecondRight] = [0, 0];
  for (const difference of differences) {
    if (difference < 0) onlyFirstRight++;
    if (difference > 0) onlySecondRight++;
  }
  const pValue = mcnemar(onlyFirstRight, onlySecondRight);
  return {
    onlyFirstRight,
    onlySecondRight,
    pValue,
    difference: (onlySecondRight - onlyFirstRight) / differences.length,
    low: null,
    high: null,
  };
}

/** Rows that one of the models failed on have no difference. */
function ofValues(all: Float64Array): Compared {
  const differences = all.filter((difference) => Number.isFinite(difference));
  const none = { onlyFirstRight: null, onlySecondRight: null, pValue: null };
  if (differences.length === 0) return { ...none, difference: 0, low: null, high: null };
  const draws = Math.max(200, Math.min(drawsMax, Math.floor(stepsMax / differences.length)));
  const { mean, low, high } = pairedBootstrap(differences, { draws });
  return { ...none, difference: mean, low, high };
}
