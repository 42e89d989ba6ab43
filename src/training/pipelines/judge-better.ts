/** Decides by a paired test on the same rows whether a trained version replaces the one that it was compared with. Pure. */
import { mcnemarTail, pairedBootstrap } from '../../statistics/index.ts';
import type { ApproveSettings, EvaluateSettings } from './pipeline-spec.ts';

/** Fewer rows prove nothing about values. */
export const bootstrapRowsMin = 30;

/** A comparison of the answers of both versions. The gain is positive if the new version is better, in the unit of the metric. */
export interface PairedTest {
  readonly kind: 'mcnemar' | 'bootstrap';
  readonly rows: number;
  /** Rows on which only the new version is right, and only the old one; null for values. */
  readonly wins: number | null;
  readonly losses: number | null;
  readonly gain: number;
  /** One-sided: the probability of such a result if the new version were no better. */
  readonly pBetter: number;
  /** The same for the old version. */
  readonly pWorse: number;
}

/** `unsure`: the rows prove neither. */
export type TrainingVerdict = 'better' | 'worse' | 'unsure';

/** A verdict, with its figures in a sentence. */
export interface TrainingJudgement {
  readonly verdict: TrainingVerdict;
  readonly reason: string;
}

/** Compares the answers of both versions by their losses, row by row: 0 or 1 for classes, squared errors for values. */
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

/** From the losses of both versions, row by row: 0 or 1 each. */
export function pairedClassTest(newLosses: Float64Array, oldLosses: Float64Array): PairedTest {
  let [wins, losses] = [0, 0];
  for (const [row, loss] of newLosses.entries()) {
    const before = oldLosses[row] as number;
    if (loss < before) wins++;
    if (loss > before) losses++;
  }
  const rows = newLosses.length;
  const gain = rows === 0 ? 0 : (wins - losses) / rows;
  return { kind: 'mcnemar', rows, wins, losses, gain, pBetter: mcnemarTail(wins, losses), pWorse: mcnemarTail(losses, wins) };
}

/**
 * From squared errors, row by row; rows that one version did not answer are left out. The test is about their mean, or about that of their
 * roots (`mae`), and the gain is that of the metric.
 */
export function pairedValueTest(newLosses: Float64Array, oldLosses: Float64Array, metric: 'rmse' | 'mae'): PairedTest {
  const both = [...newLosses.keys()].filter((row) => Number.isFinite(newLosses[row]) && Number.isFinite(oldLosses[row]));
  const lossOf = (losses: Float64Array, row: number): number =>
    metric === 'mae' ? Math.sqrt(losses[row] as number) : (losses[row] as number);
  const rows = both.length;
  const none = { kind: 'bootstrap', rows, wins: null, losses: null } as const;
  if (rows < bootstrapRowsMin) return { ...none, gain: 0, pBetter: 1, pWorse: 1 };
  const mean = (losses: Float64Array): number => both.reduce((sum, row) => sum + lossOf(losses, row), 0) / rows;
  const [now, before] = [mean(newLosses), mean(oldLosses)];
  const differences = Float64Array.from(both, (row) => lossOf(oldLosses, row) - lossOf(newLosses, row));
  const { notAbove, notBelow } = pairedBootstrap(differences, { draws: drawsFor(rows) });
  const gain = metric === 'mae' ? before - now : Math.sqrt(before) - Math.sqrt(now);
  return { ...none, gain, pBetter: notAbove, pWorse: notBelow };
}

/** Bounds the work for large sets. */
function drawsFor(rows: number): number {
  return Math.max(200, Math.min(2000, Math.floor(20_000_000 / rows)));
}

/** p <= 1 - confidence and gain >= marginMin: better. p of the reverse <= 1 - confidence: worse. Else the test proves neither. */
export function judgeBetter(
  test: PairedTest,
  { confidence, marginMin }: Pick<ApproveSettings, 'confidence' | 'marginMin'>,
): TrainingJudgement {
  const { kind, rows, wins, losses, gain, pBetter, pWorse } = test;
  const level = 1 - confidence;
  if (kind === 'bootstrap' && rows < bootstrapRowsMin)
    return { verdict: 'unsure', reason: `nothing to decide: ${rows} rows were answered by both, and ${bootstrapRowsMin} are needed` };
  if (kind === 'mcnemar' && wins === 0 && losses === 0)
    return { verdict: 'unsure', reason: `nothing to decide: both answer alike on ${rows} rows` };
  const counted = kind === 'mcnemar' ? `right on ${wins} rows where the other is wrong, wrong on ${losses}` : `${rows} rows`;
  const figures = `${counted}, gain ${figure(gain)}`;
  // A level of 0.05 is 1 - 0.95 = 0.050000000000000044 in binary.
  const isProven = (p: number): boolean => p <= level + 1e-12;
  if (isProven(pBetter) && gain >= marginMin) return { verdict: 'better', reason: `better: ${figures}, p ${figure(pBetter)}` };
  if (isProven(pBetter))
    return { verdict: 'unsure', reason: `better by less than the margin of ${marginMin}: ${figures}, p ${figure(pBetter)}` };
  if (isProven(pWorse)) return { verdict: 'worse', reason: `worse: ${figures}, p of the reverse ${figure(pWorse)}` };
  return { verdict: 'unsure', reason: `not proven at ${100 * confidence} %: ${figures}, p ${figure(pBetter)}` };
}

function figure(value: number): string {
  return String(Number(value.toPrecision(3)));
}
