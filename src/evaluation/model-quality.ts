/** The figures of a model with their intervals, from its outcomes. Pure. */
import {
  type CalibrationBin,
  calibrationBins,
  classificationScores,
  clopperPearson,
  macroF1Interval,
  pairedBootstrap,
  regressionScores,
  type ScoredRows,
} from '../statistics/index.ts';

/** Figures of one class. */
export interface ClassQuality {
  readonly class: string;
  /** Rows with this label. */
  readonly rows: number;
  readonly precision: number;
  readonly recall: number;
  /** 95 %, exact. */
  readonly recallLow: number;
  readonly recallHigh: number;
  readonly f1: number;
}

/** Shares are from 0 to 1. All intervals are 95 % confidence intervals. */
export interface ClassificationQuality {
  readonly kind: 'classes';
  readonly rows: number;
  /** Rows without an answer; each is an error. */
  readonly rowsFailed: number;
  readonly errors: number;
  readonly accuracy: number;
  readonly low: number;
  readonly high: number;
  readonly macroF1: number;
  readonly macroF1Low: number;
  readonly macroF1High: number;
  /** Null without scores. */
  readonly logLoss: number | null;
  readonly brier: number | null;
  readonly calibrationError: number | null;
  /** Empty without scores. */
  readonly calibration: readonly CalibrationBin[];
  readonly perClass: readonly ClassQuality[];
}

/** Figures of a model that predicts values, in the unit of the label. */
export interface RegressionQuality {
  readonly kind: 'values';
  readonly rows: number;
  readonly rowsFailed: number;
  readonly rmse: number;
  readonly rmseLow: number;
  readonly rmseHigh: number;
  readonly mae: number;
}

/** The figures of a model, by what it predicts. */
export type ModelQuality = ClassificationQuality | RegressionQuality;

/** Resamples of a bootstrap, which takes one to two seconds. */
const stepsMax = 50_000_000;
const drawsMax = 1000;

/** Outcomes of a classifier, by row. */
export interface ClassifiedOutcomes {
  readonly classes: readonly string[];
  readonly labels: Int32Array;
  readonly predictions: Int32Array;
  readonly scored: ScoredRows | null;
  readonly rowsFailed: number;
}

/** The interval of the accuracy is exact; that of macro-F1 is a bootstrap. */
export function classificationQuality({ classes, labels, predictions, scored, rowsFailed }: ClassifiedOutcomes): ClassificationQuality {
  const rows = labels.length;
  const scores = classificationScores({ classes: classes.length, labels, predictions, scored });
  const f1 = macroF1Interval({ classes: classes.length, labels, predictions }, drawsFor(rows));
  return {
    kind: 'classes',
    rows,
    rowsFailed,
    errors: scores.errors,
    accuracy: scores.accuracy,
    low: scores.interval.low,
    high: scores.interval.high,
    macroF1: scores.macroF1,
    macroF1Low: f1.low,
    macroF1High: f1.high,
    logLoss: scores.logLoss,
    brier: scores.brier,
    calibrationError: scores.calibrationError,
    calibration: scored === null ? [] : calibrationBins(scored.confidences, labels, predictions),
    perClass: scores.perClass.map(({ label, rows: labelled, precision, recall, f1: own }) => {
      const { low, high } = clopperPearson(Math.round(recall * labelled), labelled);
      return { class: classes[label] as string, rows: labelled, precision, recall, recallLow: low, recallHigh: high, f1: own };
    }),
  };
}

/** Failed rows have no value: they are not in `values`. */
export function regressionQuality(labels: Float64Array, values: Float64Array, rowsFailed: number): RegressionQuality {
  const { rmse, mae } = regressionScores(labels, values);
  const squares = values.map((value, row) => (value - (labels[row] as number)) ** 2);
  const { low, high } = pairedBootstrap(squares, { draws: drawsFor(values.length) });
  return { kind: 'values', rows: labels.length + rowsFailed, rowsFailed, rmse, rmseLow: Math.sqrt(low), rmseHigh: Math.sqrt(high), mae };
}

function drawsFor(rows: number): number {
  return Math.max(200, Math.min(drawsMax, Math.floor(stepsMax / rows)));
}
