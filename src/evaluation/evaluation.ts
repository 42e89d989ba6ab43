/** An evaluation: several models on one set. */
import type { ModelVersion } from '../registry/index.ts';
import type { SetView } from './evaluation-set.ts';
import type { ModelQuality } from './model-quality.ts';

/** Of an evaluation, and of each of its models. */
export type EvaluationState = 'InProgress' | 'Completed' | 'Failed' | 'Stopped';

/** A model of an evaluation. */
export interface EvaluationCandidate {
  readonly group: string;
  readonly version: number;
  readonly artifactKey: string;
  readonly state: EvaluationState;
  /** Why it failed; null if it did not. */
  readonly reason: string | null;
}

/** Two models that answered the same rows. */
export interface Comparison {
  readonly first: string;
  readonly second: string;
  /** Rows that only one of them answered correctly; null for values. */
  readonly onlyFirstRight: number | null;
  readonly onlySecondRight: number | null;
  /** The p-value of McNemar's exact test; null for values. */
  readonly pValue: number | null;
  /** Mean loss of the first minus that of the second. */
  readonly difference: number;
  /** 95 %, by the bootstrap; null for classes. */
  readonly low: number | null;
  readonly high: number | null;
}

/** An evaluation as stored. */
export interface StoredEvaluation {
  readonly id: string;
  readonly setKey: string;
  readonly state: EvaluationState;
  readonly reason: string | null;
  readonly candidates: readonly EvaluationCandidate[];
  readonly skipsBadLabels: boolean;
  /** A version that is evaluated while it awaits approval, such as `digits/7`. */
  readonly acceptsPending?: string;
  /** Empty until all models have ended. */
  readonly pairs: readonly Comparison[];
  readonly createdBy: string;
  readonly createdAtMs: number;
  readonly endedAtMs: number | null;
}

/** The outcomes of one artifact on one set. */
export interface StoredOutcomes {
  readonly artifactKey: string;
  readonly sha256: string;
  /** The evaluation that measured it, and the version at that time. */
  readonly evaluation: string;
  readonly model: string;
  /** Names of the numbers in the outcomes; null for values. */
  readonly classes: readonly string[] | null;
  readonly quality: ModelQuality;
  readonly notes: readonly string[];
  readonly evaluatedBy: string;
  readonly evaluatedAtMs: number;
}

/** A candidate with its results. */
export interface CandidateView extends EvaluationCandidate {
  /** `digits/3` */
  readonly model: string;
  /** Null until the model has been evaluated. */
  readonly outcomes: StoredOutcomes | null;
  /** Rows that a running candidate has answered so far; null otherwise. */
  readonly rowsDone: number | null;
}

/** An evaluation as the APIs show it. */
export interface EvaluationView extends Omit<StoredEvaluation, 'setKey' | 'candidates' | 'acceptsPending'> {
  readonly set: SetView;
  readonly candidates: readonly CandidateView[];
}

/** Models of one evaluation. */
export const candidatesMax = 6;

/** Identifies a model by its bytes and, for a Python model, by its environment. */
export function artifactKeyOf({ artifact, runtime }: Pick<ModelVersion, 'artifact' | 'runtime'>): string {
  if (runtime.kind !== 'python') return artifact.sha256;
  const { lock, name } = runtime.environment;
  return `${artifact.sha256} ${lock ?? name ?? ''}`;
}
