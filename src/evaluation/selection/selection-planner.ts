/**
 * Answers which model, or cascade of two, should serve: from stored answers of an evaluation, stored profiles and the deployment planner.
 * Deploys nothing.
 */
import type { DeploymentPlanner, PlannedDeployment } from '../../autoscaling/index.ts';
import { instanceType, type PriceTable } from '../../costs/index.ts';
import type { SelectionState } from '../../deployment/index.ts';
import { PlatformError } from '../../errors.ts';
import { type Objective, objectiveShare } from '../../objective.ts';
import { compositeProfile, type Profile, type Profiles, platformOverheadMs, ServiceTable } from '../../profiling/index.ts';
import type { ModelVersion, Registry } from '../../registry/index.ts';
import {
  type AllottedTest,
  type AnswerPlan,
  agreementOf,
  bestAlone,
  type ChosenPlans,
  choosePlans,
  type FitsTogether,
  type JudgedPlan,
  type PlanAgreement,
  type PlanConditions,
  type PlansInForce,
  type SelectableModel,
  type SelectionGoal,
} from '../../selection/index.ts';
import { rowsNeeded } from '../../statistics/index.ts';
import type { Threads } from '../../threads/index.ts';
import { payloadObstacleOf } from '../candidate-payload.ts';
import { artifactKeyOf, candidatesMax } from '../evaluation.ts';
import { type EvaluationSet, setIdOf } from '../evaluation-set.ts';
import type { ModelAnswers, StoredAnswers } from '../stored-answers.ts';
import { judgePlansTask } from './judge-plans.ts';
import { type EarlierTests, nothingTested, type SelectionTests } from './selection-tests.ts';

export interface SelectionPlannerOptions {
  readonly registry: Pick<Registry, 'resolve'>;
  readonly answers: Pick<StoredAnswers, 'read' | 'countChoice'>;
  readonly tests: Pick<SelectionTests, 'earlier'>;
  readonly profiles: Pick<Profiles, 'get' | 'measure'>;
  readonly deploymentPlanner: Pick<DeploymentPlanner, 'planProfile'>;
  readonly prices: PriceTable;
  readonly threads: Threads;
}

/** A question to the planner: candidates, rows that prove, and what to keep. */
export interface SelectionRequest {
  readonly models: readonly string[];
  readonly set: string;
  /** The endpoint whose certificates share the error probability; null: nothing is deployed. */
  readonly endpoint: string | null;
  /** Above 0 and below 1; null only for the most accurate plan within a budget. */
  readonly floor: number | null;
  /** The probability with which all certified plans keep the floor; null: measured accuracies are taken as true. */
  readonly confidence: number | null;
  readonly goal: SelectionGoal;
  readonly objective: Objective;
  /** Rows per second, in requests of one row. */
  readonly ratePerSecond: number;
  readonly instanceType: string;
  /** Plans that stay unless others are worth the change. Default: none. */
  readonly inForce?: PlansInForce | undefined;
}

/** The answer. `chosen` is null if no plan keeps the floor, or none fits the budget. */
export interface PlannedSelection {
  readonly set: EvaluationSet;
  readonly state: SelectionState;
  readonly chosen: ChosenPlans | null;
  /** The plan that would serve if none is certified. */
  readonly fallback: JudgedPlan;
  /** Approximate number of rows that would certify the fallback; null if it is certified, or if no number would. */
  readonly rowsNeeded: number | null;
  readonly plans: readonly JudgedPlan[];
  /** All tests for the endpoint on these rows. */
  readonly chains: number;
  /** The smallest of a chain. */
  readonly level: number | null;
  /** Bound on the probability that any certificate of the endpoint on these rows is wrong; null without tests. */
  readonly errorTotal: number | null;
  /** The tests to store with the ladder that they prove. */
  readonly tests: { readonly earlier: EarlierTests; readonly fresh: readonly AllottedTest[] };
  /** How often a plan disagrees with the best one, on the rows that its first model answers. */
  readonly agreement: (plan: AnswerPlan, best: AnswerPlan) => PlanAgreement;
  /** Whether the memory of an instance holds these models together, by what each was measured to take. */
  readonly fits: FitsTogether;
  /** The mixture for the plan that the instances are sized for; null if the planner finds none. */
  readonly predicted: PlannedDeployment['chosen'];
  /** When the candidates' profiles were measured. Epoch milliseconds. */
  readonly profiles: readonly { readonly model: string; readonly measuredAtMs: number }[];
  /** The price of an instance, and the date of the price table. */
  readonly price: { readonly asOf: string; readonly usdPerInstanceHour: number };
}

interface CandidateVersion {
  readonly version: ModelVersion;
  readonly profile: Profile;
}

const judgingWork = { name: 'judging the plans', hint: 'use a smaller set' };

/** Runs no model: answers were stored by evaluations, and times by profiles. */
export class SelectionPlanner {
  readonly #options: SelectionPlannerOptions;

  constructor(options: SelectionPlannerOptions) {
    this.#options = options;
  }

  /** Measures missing profiles first. Throws `invalid_request`, `not_found` for a model that did not answer the set, `unsupported`. */
  async plan(request: SelectionRequest): Promise<PlannedSelection> {
    const { answers, threads, prices } = this.#options;
    checkSelection(request);
    const { usdPerHour } = instanceType(prices, request.instanceType);
    const versions = await this.#versionsOf(request.models);
    const named = versions.map((version) => ({ name: version.name, artifactKey: artifactKeyOf(version) }));
    const { set, labels, models } = await answers.read(request.set, named);
    if (set.classes === null) throw new PlatformError('unsupported', `${set.name} has values as labels: expected classes, metric accuracy`);
    const candidates = await Promise.all(versions.map((version) => this.#candidateOf(version, request.instanceType)));
    const earlier = request.endpoint === null ? nothingTested : await this.#options.tests.earlier(request.endpoint, set);
    await answers.countChoice(set.name, [named.map(({ artifactKey }) => artifactKey).sort(), request.floor, request.confidence]);
    const conditions: PlanConditions = {
      set: setIdOf(set),
      earlier: earlier.tests,
      floor: request.floor,
      confidence: request.confidence ?? 0.95,
      limitMs: request.objective.latencyMs,
      share: objectiveShare(request.objective),
      overheadMs: platformOverheadMs,
      ratePerSecond: request.ratePerSecond,
      usdPerInstanceHour: usdPerHour,
    };
    const selectable = candidates.map((candidate, i) => selectableOf(candidate, models[i] as ModelAnswers, conditions.share));
    const input = { labels: labels as Int32Array, models: selectable, conditions };
    const { plans, chains, level, errorTotal, fresh } = await threads.run(judgePlansTask, input, {
      bytes: set.rows * 24 * models.length,
      work: judgingWork,
      lane: 'background',
    });
    const isCertificateRequired = request.floor !== null && request.confidence !== null;
    const isEligible = (plan: JudgedPlan): boolean =>
      isCertificateRequired ? plan.isCertified : request.floor === null || plan.accuracy >= request.floor;
    const fits = fitsTogether(candidates, instanceType(prices, request.instanceType).memoryMiB);
    const chosen = choosePlans(plans, request.goal, isEligible, fits, request.inForce);
    const fallback = bestAlone(plans);
    return {
      set,
      state: !isCertificateRequired ? 'estimated' : chosen === null ? 'not-certified' : 'certified',
      chosen,
      fallback,
      rowsNeeded:
        chosen !== null || request.floor === null || level === null
          ? null
          : rowsNeeded(fallback.errors / set.rows, request.floor, fallback.level ?? level),
      plans,
      chains,
      level,
      errorTotal,
      tests: { earlier, fresh },
      agreement: (plan, best) => agreementOf(plan, best, selectable),
      fits,
      predicted: await this.#predict(chosen?.floorPlan ?? fallback, candidates, request),
      profiles: candidates.map(({ version, profile }) => ({ model: version.name, measuredAtMs: profile.measuredAtMs })),
      price: { asOf: prices.asOf, usdPerInstanceHour: usdPerHour },
    };
  }

  async #versionsOf(references: readonly string[]): Promise<ModelVersion[]> {
    const found = new Map<string, ModelVersion>();
    for (const reference of references) {
      const version = await this.#options.registry.resolve(reference);
      if (version.approval !== 'Approved') {
        throw new PlatformError(
          'wrong_state',
          `${version.name} is ${version.approval}: approve it first (penstock approve ${version.name})`,
        );
      }
      const obstacle = payloadObstacleOf(version);
      if (obstacle !== null) throw new PlatformError('unsupported', obstacle);
      found.set(version.name, version);
    }
    return [...found.values()];
  }

  async #candidateOf(version: ModelVersion, type: string): Promise<CandidateVersion> {
    const executor = `instance:${type}`;
    const { profiles } = this.#options;
    return {
      version,
      profile: (await profiles.get(version.group, version.version, executor)) ?? (await profiles.measure(version, executor)),
    };
  }

  async #predict(
    plan: JudgedPlan,
    candidates: readonly CandidateVersion[],
    request: SelectionRequest,
  ): Promise<PlannedDeployment['chosen']> {
    const profileOf = (name: string): Profile => (candidates.find(({ version }) => version.name === name) as CandidateVersion).profile;
    const first = profileOf(plan.first);
    const profile = plan.second === null ? first : compositeProfile(first, profileOf(plan.second), plan.escalated);
    const { objective, ratePerSecond, instanceType: type } = request;
    return (await this.#options.deploymentPlanner.planProfile(profile, { objective, ratePerSecond, instanceType: type })).chosen;
  }
}

/** Of a worker without a model. */
const workerMiB = 80;

function fitsTogether(candidates: readonly CandidateVersion[], memoryMiB: number): FitsTogether {
  const ownMiB = new Map(
    candidates.map(({ version, profile }) => [version.name, Math.max(0, ...profile.service.map(({ rssMiB }) => rssMiB - workerMiB))]),
  );
  return (models) => models.size === 1 || [...models].reduce((sum, model) => sum + (ownMiB.get(model) ?? 0), workerMiB) <= memoryMiB;
}

function selectableOf({ version, profile }: CandidateVersion, answers: ModelAnswers, share: number): SelectableModel {
  const table = new ServiceTable(profile);
  const batchMax = version.batchable ? table.batchMax : 1;
  const times = (timeOf: (rows: number) => number): Float64Array =>
    Float64Array.from({ length: batchMax + 1 }, (_, rows) => (rows === 0 ? 0 : timeOf(rows)));
  const hasScores = !Number.isNaN(answers.unsureness[0]);
  return {
    name: version.name,
    artifactKey: artifactKeyOf(version),
    predictions: answers.predictions as Int32Array,
    unsureness: hasScores && version.batchable ? answers.unsureness : null,
    medianMs: times((rows) => table.medianMs(rows)),
    quantileMs: times((rows) => table.quantileMs(share, rows)),
    workerKey: workerKeyOf(version),
  };
}

/** Decides which models can share a worker. */
export interface WorkerModel extends Pick<ModelVersion, 'name' | 'batchable'> {
  readonly runtime: { readonly kind: ModelVersion['runtime']['kind']; readonly environment?: unknown; readonly variables?: unknown };
  readonly signature: { readonly inputs: readonly { readonly datatype: string; readonly shape: readonly number[] }[] };
}

/** Models with equal keys can be loaded in one worker and take the same rows. */
export function workerKeyOf({ runtime, signature, batchable, name }: WorkerModel): string {
  if (!batchable) return name;
  const sizes = signature.inputs.map(({ datatype, shape: [, ...row] }) =>
    row.includes(-1) ? `${datatype} ${row.join('x')}` : `${datatype} ${row.reduce((product, size) => product * size, 1)}`,
  );
  // All code in one worker sees the same environment variables.
  const programs = [runtime.environment, runtime.variables].map((each) => (each === undefined ? '' : JSON.stringify(each)));
  return [runtime.kind, ...programs, ...sizes.sort()].join('|');
}

function checkSelection({ models, floor, goal, ratePerSecond, confidence }: SelectionRequest): void {
  const invalid = (message: string) => new PlatformError('invalid_request', message);
  if (models.length === 0 || models.length > candidatesMax) throw invalid(`expected 1 to ${candidatesMax} models, got ${models.length}`);
  if (floor !== null && !(floor > 0 && floor < 1)) throw invalid(`invalid accuracy: expected above 0 and below 1, got ${floor}`);
  if (floor === null && goal.kind === 'cheapest')
    throw invalid('expected an accuracy for the cheapest plan: without one, the worst model would be chosen');
  if (goal.kind === 'most-accurate' && !(goal.usdPerHourMax > 0))
    throw invalid(`invalid budget: expected more than $0 per hour, got ${goal.usdPerHourMax}`);
  if (!(ratePerSecond > 0 && ratePerSecond <= 1_000_000))
    throw invalid(`invalid rate: expected above 0 and at most 1000000 rows per second, got ${ratePerSecond}`);
  if (confidence !== null && !(confidence >= 0.5 && confidence < 1))
    throw invalid(`invalid confidence: expected from 0.5 to below 1, got ${confidence}`);
}
