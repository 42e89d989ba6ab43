/** Plans: one model, or a cascade of two, with their results in an evaluation. Pure. */
import { compositeMeanMs, type PlanService, planBatch, type ServiceTime } from '../queueing/index.ts';
import {
  accuracyLowerBound,
  type CascadeCounts,
  cascadeCounter,
  certify,
  chainsOf,
  countOutcomes,
  type ModelOutcomes,
  mcnemar,
  type PlanTest,
  thresholds,
} from '../statistics/index.ts';
import { type AllottedTest, allotLevels } from './allot-levels.ts';

/** A model that may be chosen. */
export interface SelectableModel {
  /** `digits/3` */
  readonly name: string;
  /** Identifies the bytes that answered: versions with equal ones are tested once. Default: the name. */
  readonly artifactKey?: string;
  /** Null if the model has no scores: then it starts no cascade. */
  readonly unsureness: Float64Array | null;
  readonly predictions: Int32Array;
  /** Times of a batch by its rows, from 0: medians, and quantiles for the promised share. */
  readonly medianMs: Float64Array;
  readonly quantileMs: Float64Array;
  /** Models with equal keys can be loaded in one worker and take the same rows. */
  readonly workerKey: string;
}

/** How rows are answered: by one model, or by a second one when the first is unsure. */
export interface AnswerPlan {
  /** Names of the models. */
  readonly first: string;
  /** Null for a model alone. */
  readonly second: string | null;
  /** Rows that the first model is less sure of go on; 1 for a model alone. */
  readonly threshold: number;
}

/** The objectives and the labelled rows. */
export interface PlanConditions {
  /** The accuracy to keep, above 0 and below 1; null: none. */
  readonly floor: number | null;
  /** The probability with which all certified plans keep it. */
  readonly confidence: number;
  /** The promised latency; infinite without a promise. */
  readonly limitMs: number;
  readonly share: number;
  readonly overheadMs: number;
  readonly ratePerSecond: number;
  readonly usdPerInstanceHour: number;
  /** The labelled rows, and earlier tests on them for the same endpoint. Default: none. */
  readonly set?: string;
  readonly earlier?: readonly AllottedTest[];
}

/** A plan with what its evaluation proves. */
export interface JudgedPlan extends AnswerPlan {
  /** `digits-mlp/1>digits-cnn/1@0.03` */
  readonly name: string;
  readonly errors: number;
  readonly accuracy: number;
  /** The accuracy by which plans are compared: a cascade counts for more than its second model only if it is significantly better. */
  readonly rank: number;
  /** Exceeded with probability 95 %, for this plan alone. */
  readonly lower: number;
  /** Share of rows that go on. */
  readonly escalated: number;
  /** The p-value of "the accuracy is below the floor"; null if the plan was not tested, because a test before it in its chain failed. */
  readonly pValue: number | null;
  /** The error probability that the tests of its chain share; null without a floor. */
  readonly level: number | null;
  readonly isCertified: boolean;
  /** B, rows per second of one instance, and the time of a full batch. */
  readonly batch: number;
  readonly rowsPerSecond: number;
  readonly fullMs: number;
  /** Whether it can keep the promised latency. */
  readonly isFeasible: boolean;
  readonly workerKey: string;
  readonly instances: number;
  readonly usdPerHour: number;
}

/** All judged plans of a selection, and the error that their certificates share. */
export interface JudgedPlans {
  readonly plans: readonly JudgedPlan[];
  /** The smallest of a chain of tests; null without a floor. */
  readonly level: number | null;
  /** All that were ever tested on these rows for the endpoint. */
  readonly chains: number;
  /** Bound on the probability that any certificate on these rows is wrong; null without a floor. */
  readonly errorTotal: number | null;
  /** Tests that took a level now. */
  readonly fresh: readonly AllottedTest[];
}

/** How far an instance may be loaded. */
const utilisationMax = 0.7;
/** A cascade is better than its second model if equally good ones would differ this much with a probability below 5 %. */
const significance = 0.05;
const lowerDelta = 0.05;

/** All models alone and, for each pair from a cheaper to a more expensive one, cascades by threshold. */
export function judgePlans(labels: Int32Array, models: readonly SelectableModel[], conditions: PlanConditions): JudgedPlans {
  const ordered = models.toSorted((a, b) => msPerRow(a, conditions) - msPerRow(b, conditions));
  const outcomes = ordered.map(
    ({ predictions, unsureness }): ModelOutcomes => ({
      predictions,
      // Without scores every row goes on: such cascades are the second model, and are left out below.
      unsureness: unsureness ?? new Float64Array(labels.length).fill(2),
    }),
  );
  const { floor } = conditions;
  const cascadesOf = cascadeCounter(labels, outcomes);
  const allotted = floor === null ? null : levelsOf(ordered, floor, conditions);
  const chains = floor === null || allotted === null ? [] : certify(labels, outcomes, { floor, levels: allotted.levels, cascadesOf });
  const testOf = (first: number, second: number | null, threshold: number): ChainTest | null => {
    const chain = chains.find((each) => each.first === first && each.second === second);
    return chain === undefined ? null : { level: chain.level, test: chain.tests.find((test) => test.threshold === threshold) };
  };
  const plans: JudgedPlan[] = [];
  const alone = outcomes.map((each): CascadeCounts => {
    return { ...countOutcomes(labels, each, null, 1), onlyCascadeRight: 0, onlySecondRight: 0 };
  });
  const add = (first: number, second: number | null, threshold: number, counts: CascadeCounts): void => {
    const pair = { first: ordered[first] as SelectableModel, second: second === null ? null : (ordered[second] as SelectableModel) };
    const secondErrors = second === null ? null : (alone[second] as CascadeCounts).errors;
    const judged = { rows: labels.length, counts, secondErrors };
    plans.push(judgedPlan(pair, threshold, judged, testOf(first, second, threshold), conditions));
  };
  for (const first of ordered.keys()) add(first, null, 1, alone[first] as CascadeCounts);
  for (const first of ordered.keys()) {
    if (ordered[first]?.unsureness === null) continue;
    for (let second = first + 1; second < ordered.length; second++) {
      if (ordered[first]?.workerKey !== ordered[second]?.workerKey) continue;
      const counts = cascadesOf(first, second);
      for (const [i, threshold] of thresholds.entries()) {
        if (threshold > 0 && threshold < 1) add(first, second, threshold, counts[i] as CascadeCounts);
      }
    }
  }
  const { levels = [], chains: count = 0, errorTotal = null, fresh = [] } = allotted ?? {};
  return { plans, level: levels.length === 0 ? null : Math.min(...levels), chains: count, errorTotal, fresh };
}

function levelsOf(ordered: readonly SelectableModel[], floor: number, { confidence, set = '', earlier = [] }: PlanConditions) {
  const keyOf = (model: number): string => (ordered[model] as SelectableModel).artifactKey ?? (ordered[model] as SelectableModel).name;
  const names = chainsOf(ordered.length).map(({ first, second }) => ({
    first: keyOf(first),
    second: second === null ? null : keyOf(second),
  }));
  return allotLevels(earlier, names, { set, floor, delta: deltaOf(confidence) });
}

/** 0.05, not 0.050000000000000044, because stored tests are looked up by it. */
function deltaOf(confidence: number): number {
  return Math.round((1 - confidence) * 1e12) / 1e12;
}

/** The chain of a plan, and its own test if the chain came to it. */
interface ChainTest {
  readonly level: number;
  readonly test: PlanTest | undefined;
}

interface Pair {
  readonly first: SelectableModel;
  readonly second: SelectableModel | null;
}

interface JudgedRows {
  readonly rows: number;
  readonly counts: CascadeCounts;
  /** The rank of the second model alone; null without one. */
  readonly secondErrors: number | null;
}

function judgedPlan(
  { first, second }: Pair,
  threshold: number,
  judged: JudgedRows,
  tested: ChainTest | null,
  conditions: PlanConditions,
): JudgedPlan {
  const { rows, counts } = judged;
  const { errors } = counts;
  const escalated = counts.escalated / rows;
  const accuracy = 1 - errors / rows;
  const { limitMs, share, overheadMs, ratePerSecond, usdPerInstanceHour } = conditions;
  const batchMax = Math.min(first.medianMs.length, second?.medianMs.length ?? Number.POSITIVE_INFINITY) - 1;
  const mean = serviceOf('medianMs', first, second, escalated);
  const { isFeasible, ...served } = planBatch(mean, serviceOf('quantileMs', first, second, escalated), {
    batchMax,
    limitMs,
    share,
    overheadMs,
  });
  const instances = Math.max(1, Math.ceil(ratePerSecond / (utilisationMax * served.rowsPerSecond)));
  return {
    first: first.name,
    second: second?.name ?? null,
    threshold,
    name: second === null ? first.name : `${first.name}>${second.name}@${threshold}`,
    errors,
    accuracy,
    rank: rankOf(judged, accuracy),
    lower: accuracyLowerBound(errors, rows, lowerDelta),
    escalated,
    pValue: tested?.test?.pValue ?? null,
    level: tested?.level ?? null,
    isCertified: tested?.test?.isCertified ?? false,
    ...served,
    isFeasible,
    workerKey: first.workerKey,
    instances,
    usdPerHour: instances * usdPerInstanceHour,
  };
}

/** The best of a hundred plans looks better than it is, so a cascade that is not proven better gets the rank of its second model. */
function rankOf({ rows, counts, secondErrors }: JudgedRows, accuracy: number): number {
  if (secondErrors === null) return accuracy;
  const { onlyCascadeRight, onlySecondRight } = counts;
  if (onlyCascadeRight > onlySecondRight && mcnemar(onlyCascadeRight, onlySecondRight) < significance) return accuracy;
  return Math.min(accuracy, 1 - secondErrors / rows - 1 / (2 * rows));
}

function serviceOf(
  times: 'medianMs' | 'quantileMs',
  first: SelectableModel,
  second: SelectableModel | null,
  escalated: number,
): PlanService {
  const timeOf =
    (model: SelectableModel): ServiceTime =>
    (rows) =>
      model[times][rows] as number;
  return { first: timeOf(first), second: second === null ? null : timeOf(second), escalated };
}

function msPerRow(model: SelectableModel, { limitMs, share, overheadMs }: PlanConditions): number {
  const mean = serviceOf('medianMs', model, null, 0);
  const limits = { batchMax: model.medianMs.length - 1, limitMs, share, overheadMs };
  const { batch } = planBatch(mean, serviceOf('quantileMs', model, null, 0), limits);
  return compositeMeanMs(mean, batch) / batch;
}
