/**
 * Real answers of real models to labelled rows, and test vectors of the mathematics of selection, made by an independent implementation.
 * Fashion-MNIST: MIT licence, © 2017 Zalando SE. Digits: see `test/models/README.md`.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelOutcomes } from '../../src/statistics/index.ts';

const read = (name: string): string => readFileSync(join(import.meta.dirname, name), 'utf8');

export interface Outcomes {
  readonly labels: Int32Array;
  /** By the name of the model, in the order of their price. */
  readonly models: ReadonlyMap<string, ModelOutcomes>;
}

/** 450 rows of the digits, answered by four models; 10,000 rows of Fashion-MNIST, answered by three. */
export function outcomesOf(family: 'digits' | 'fashion'): Outcomes {
  const [head = '', ...lines] = read(`${family}_outcomes.csv`).trim().split('\n');
  const rows = lines.map((line) => line.split(',').map(Number));
  const column = (i: number): number[] => rows.map((row) => row[i] as number);
  const names = head.split(',');
  const models = names.flatMap((name, i): [string, ModelOutcomes][] => {
    const model = name.replace(/\.prediction$/, '');
    if (model === name) return [];
    return [[model, { predictions: Int32Array.from(column(i)), unsureness: Float64Array.from(column(i + 1), (score) => 1 - score) }]];
  });
  return { labels: Int32Array.from(column(0)), models: new Map(models) };
}

type Range = readonly [low: number, high: number];

interface CertifyVector {
  /** Names, from the cheapest on. */
  readonly models: readonly string[];
  readonly floor: number;
  readonly delta: number;
  /** By `first` or `first->second`. */
  readonly chains: Readonly<Record<string, readonly PlanVector[]>>;
}

interface JudgedPlanVector {
  readonly name: string;
  readonly errors: number;
  readonly rank: number;
  readonly lower: number;
  readonly escalated: number;
  readonly batch: number;
  readonly rate: number;
  readonly full: number;
  readonly feasible: boolean;
  readonly certified: boolean;
  readonly usdPerHour: number;
  readonly instances: number;
}

interface ChoiceVector extends CertifyVector {
  readonly plans: readonly JudgedPlanVector[];
  readonly choice: {
    readonly minimizeCost: JudgedPlanVector;
    readonly maximizeAccuracy: readonly { readonly budget: number; readonly chosen: JudgedPlanVector | null }[];
  };
  readonly certifiedLadder: readonly string[];
  /** With degrade rungs down to an accuracy of 0.94. */
  readonly ladder: readonly string[];
}

interface PlanVector {
  readonly plan: readonly [first: number, second: number, threshold: number];
  readonly errors: number;
  readonly p: number;
  readonly certified: boolean;
}

interface ScoresVector {
  readonly errors: number;
  readonly accuracy: number;
  readonly accuracyLow: number;
  readonly macroF1: number;
  readonly logLoss: number;
  readonly brier: number;
  readonly calibrationError: number;
  readonly perClass: readonly { readonly label: number; readonly rows: number; readonly f1: number }[];
}

interface PairVector {
  readonly first: string;
  readonly second: string;
  readonly onlyFirstRight: number;
  readonly onlySecondRight: number;
  readonly p: number;
  readonly errorDifference: number;
  readonly low: number;
  readonly high: number;
}

/** The test vectors: inputs, and the expected value. */
export interface Vectors {
  readonly binomialCdf: readonly { readonly k: number; readonly n: number; readonly p: number; readonly value: number }[];
  readonly clopperPearson: readonly { readonly k: number; readonly n: number; readonly alpha: number; readonly interval: Range }[];
  readonly accuracyLower: readonly { readonly errors: number; readonly n: number; readonly delta: number; readonly value: number }[];
  readonly mcnemar: readonly { readonly onlyFirstRight: number; readonly onlySecondRight: number; readonly p: number }[];
  readonly logEvidence: readonly { readonly ones: number; readonly n: number; readonly p0: number; readonly value: number }[];
  readonly confidenceSequence: readonly { readonly ones: number; readonly n: number; readonly alpha: number; readonly interval: Range }[];
  readonly rowsNeeded: readonly {
    readonly errorRate: number;
    readonly floor: number;
    readonly level: number;
    readonly value: number | null;
  }[];
  readonly evaluation: { readonly models: Readonly<Record<string, ScoresVector>>; readonly pairs: readonly PairVector[] };
  readonly cascades: {
    readonly thresholds: readonly number[];
    readonly counts: readonly {
      readonly first: string;
      readonly second: string;
      readonly t: number;
      readonly errors: number;
      readonly escalated: number;
    }[];
  };
  readonly composite: {
    /** Milliseconds by rows. */
    readonly first: Readonly<Record<string, number>>;
    readonly second: Readonly<Record<string, number>>;
    readonly mean: readonly { readonly e: number; readonly b: number; readonly value: number }[];
    readonly quantile: readonly { readonly e: number; readonly b: number; readonly q: number; readonly value: number }[];
    readonly batch: readonly {
      readonly e: number;
      readonly q: number;
      readonly limitMs: number;
      readonly value: readonly [batch: number, rowsPerSecond: number, isFeasible: boolean];
    }[];
  };
  readonly rung: {
    readonly rungs: readonly { readonly batch: number; readonly fullMs: number }[];
    readonly cases: readonly {
      readonly residualMs: readonly number[];
      readonly waiting: number;
      readonly headLeftMs: number;
      readonly lastLeftMs: number;
      readonly marginMs: number;
      readonly rung: number;
    }[];
  };
  readonly receipt: readonly {
    readonly chargeUsd: number;
    readonly firstMs: number;
    readonly secondMs: number;
    readonly wentOn: readonly boolean[];
    readonly value: readonly number[];
  }[];
  readonly credit: {
    readonly floor: number;
    readonly most: number;
    readonly steps: readonly { readonly accuracy: number; readonly rows: number; readonly allowed: boolean; readonly after: number }[];
  };
  readonly certifyDigits: ChoiceVector;
  readonly certifyDigits95: ChoiceVector;
  readonly certifyFashion: CertifyVector;
}

export const vectors = JSON.parse(read('vectors.json')) as Vectors;
