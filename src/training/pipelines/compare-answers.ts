/** Scores and compares the answers of versions, from their losses row by row: 0 or 1 for classes, squared errors for values. Pure. */
import { type PairedTest, pairedClassTest, pairedValueTest } from './judge-better.ts';
import type { EvaluateSettings } from './pipeline-spec.ts';

export function compareAnswers(newLosses: Float64Array, oldLosses: Float64Array, metric: EvaluateSettings['metric']): PairedTest {
  return metric === 'accuracy' ? pairedClassTest(newLosses, oldLosses) : pairedValueTest(newLosses, oldLosses, metric);
}

/** Over the rows that the version answered; null if there are no such rows. */
export function meanScore(losses: Float64Array, metric: EvaluateSettings['metric']): number | null {
  const answered = losses.filter((loss) => Number.isFinite(loss));
  if (answered.length === 0) return null;
  const mean = (valueOf: (loss: number) => number): number => answered.reduce((sum, loss) => sum + valueOf(loss), 0) / answered.length;
  if (metric === 'accuracy') return 1 - mean((loss) => loss);
  return metric === 'mae' ? mean(Math.sqrt) : Math.sqrt(mean((loss) => loss));
}
