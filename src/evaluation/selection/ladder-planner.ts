/** Plans the ladder of an endpoint with a selection, and explains the choice. Deploys nothing. */
import type { Clock } from '../../clock.ts';
import { defined } from '../../defined.ts';
import {
  type LadderRung,
  type SelectedLadder,
  type SelectionConfig,
  type SelectionRequestConfig,
  shadowShareDefault,
  shadowShareMax,
} from '../../deployment/index.ts';
import { PlatformError } from '../../errors.ts';
import { nameKey } from '../../names.ts';
import type { Objective } from '../../objective.ts';
import type { ModelVersion, Registry } from '../../registry/index.ts';
import { type ChosenPlans, degradingLadder, type JudgedPlan, mapToContract, modelsIn, type PlansInForce } from '../../selection/index.ts';
import { payloadObstacleOf } from '../candidate-payload.ts';
import { candidatesMax } from '../evaluation.ts';
import type { StoredAnswers } from '../stored-answers.ts';
import { explanationOf } from './explain-selection.ts';
import { type SelectionFindings, selectionFindings } from './selection-decision.ts';
import type { PlannedSelection, SelectionPlanner, SelectionRequest } from './selection-planner.ts';

export interface LadderPlannerOptions {
  readonly clock: Clock;
  readonly registry: Pick<Registry, 'resolve'>;
  readonly planner: Pick<SelectionPlanner, 'plan'>;
  readonly answers: Pick<StoredAnswers, 'answered'>;
}

/** A selection to be planned for an endpoint. */
export interface LadderRequest extends Omit<SelectionRequestConfig, 'reference'> {
  /** The endpoint that will serve the plans. */
  readonly endpoint: string;
  /** Default: the first candidate. */
  readonly reference: string | null;
  readonly objective: Objective | null;
  readonly instanceType: string;
  /** Serves the most accurate model alone if nothing is certified. */
  readonly force: boolean;
  /** Plans are chosen again: candidates that were deleted since are left out. Default: false. */
  readonly isReview?: boolean;
  /** Plans that stay unless others are worth the change. Default: none. */
  readonly inForce?: PlansInForce | undefined;
}

/** A planned selection: what to serve, the record of the decision, and the tests to store with it. */
export interface PlannedLadder {
  /** The version whose signature clients see. */
  readonly contract: ModelVersion;
  readonly ladder: SelectedLadder;
  /** The contents of the decision. */
  readonly findings: SelectionFindings;
  /** The tests behind the certificates. */
  readonly tests: PlannedSelection['tests'];
}

const creditSeconds = 3600;
/** The rate for prices if no rate is given. */
export const selectionRateDefault = 100;

/** Used for new selections, for reviews, and for previews that deploy nothing. */
export class LadderPlanner {
  readonly #options: LadderPlannerOptions;

  constructor(options: LadderPlannerOptions) {
    this.#options = options;
  }

  /** Throws like `SelectionPlanner.plan`, and `wrong_state` if no plan keeps the floor, unless forced. */
  async plan(request: LadderRequest): Promise<PlannedLadder> {
    const { objective } = request;
    checkLadderRequest(request);
    if (objective === null)
      throw new PlatformError(
        'invalid_request',
        'a selection needs an objective, such as p95<=50ms: plans are chosen by their predicted latency',
      );
    const { contract, fitting, leftOut } = await this.#candidatesOf(request);
    const candidatesRequest: SelectionRequest = { ...request, objective, models: fitting.map(({ name }) => name) };
    const planned = await this.#options.planner.plan(candidatesRequest);
    const explanation = explanationOf(planned, candidatesRequest);
    const chosen = planned.chosen ?? forcedPlan(planned, request.force, `${explanation}${leftOutText(leftOut)}`);
    const rungs = rungsOf(planned, chosen, request.degradeTo);
    const { clock } = this.#options;
    const { set, chains, level, errorTotal } = planned;
    const { candidates, goal, floor, confidence, degradeTo, ratePerSecond, shadowShare = shadowShareDefault, demoted } = request;
    const requested = {
      candidates,
      reference: contract.name,
      set: set.name,
      goal,
      floor,
      confidence,
      degradeTo,
      ratePerSecond,
      shadowShare,
    };
    const selection: SelectionConfig = {
      request: { ...requested, ...defined({ demoted }) },
      decision: {
        state: degradeTo === null ? planned.state : 'estimated',
        explanation,
        sha256: set.sha256,
        rows: set.rows,
        chains,
        level,
        errorTotal,
        floorPlan: chosen.floorPlan.name,
        topPlan: chosen.topPlan.name,
        leftOut,
        atMs: clock.wallMs(),
      },
    };
    const ladder = ladderFrom(rungs, chosen, selection, planned.agreement);
    return { contract, ladder, findings: selectionFindings(planned, candidatesRequest, ladder), tests: planned.tests };
  }

  /** The candidates that can answer in place of the reference. */
  async #candidatesOf({ candidates, reference, set, isReview = false }: LadderRequest) {
    const versions = new Map<string, ModelVersion>();
    const leftOut: { model: string; reason: string }[] = [];
    for (const each of candidates) {
      try {
        const version = await this.#options.registry.resolve(each);
        if (version.approval === 'Approved') versions.set(version.name, version);
        else leftOut.push({ model: version.name, reason: `${version.name} is ${version.approval}` });
      } catch (error) {
        // A wrong name is an error of the caller; a candidate that was deleted since does not stop a review.
        if (!(error instanceof PlatformError) || !(error.code === 'wrong_state' || (isReview && error.code === 'not_found'))) throw error;
        leftOut.push({ model: each, reason: error.message });
      }
    }
    if (isReview) {
      const answered = await this.#options.answers.answered(set, [...versions.values()]);
      for (const { name } of [...versions.values()].filter((version) => !answered.has(version.name))) {
        versions.delete(name);
        leftOut.push({ model: name, reason: unansweredReason(name, set) });
      }
    }
    const [none] = leftOut;
    if (versions.size === 0 && none !== undefined) throw new PlatformError('wrong_state', `no candidate can serve: ${none.reason}`);
    const [first] = versions.values();
    const requested = reference === null ? (first as ModelVersion) : await this.#options.registry.resolve(reference);
    // A new version of its group has taken its place.
    const successor = [...versions.values()].find(({ group }) => isReview && nameKey(group) === nameKey(requested.group));
    const contract = versions.has(requested.name) ? requested : (successor ?? requested);
    if (!versions.has(contract.name)) {
      throw new PlatformError(
        'invalid_request',
        `invalid reference: expected one of ${[...versions.keys()].join(', ')}, got ${contract.name}`,
      );
    }
    const fitting = [...versions.values()].filter((version) => {
      const reason = obstacleTo(contract, version);
      if (reason !== null) leftOut.push({ model: version.name, reason });
      return reason === null;
    });
    const [left] = leftOut;
    if (fitting.length === 0 && left !== undefined) throw new PlatformError('unsupported', `no candidate can serve: ${left.reason}`);
    return { contract, fitting, leftOut };
  }
}

/** Why a version is left out now; it may be considered later. */
export function unansweredReason(model: string, set: string): string {
  return `${model} was not evaluated on ${set}`;
}

/** Why a version cannot answer in place of the contract; null if it can. */
function obstacleTo(contract: ModelVersion, version: ModelVersion): string | null {
  const obstacle = payloadObstacleOf(version);
  if (obstacle !== null) return obstacle;
  const map = mapToContract(contract, version);
  return typeof map === 'string' ? map : null;
}

function checkLadderRequest({ candidates, floor, degradeTo, shadowShare = shadowShareDefault }: LadderRequest): void {
  const invalid = (message: string) => new PlatformError('invalid_request', message);
  if (!(shadowShare >= 0 && shadowShare <= shadowShareMax))
    throw invalid(`invalid shadow_percent: expected 0 to ${100 * shadowShareMax}, got ${100 * shadowShare}`);
  if (candidates.length === 0 || candidates.length > candidatesMax)
    throw invalid(`expected 1 to ${candidatesMax} candidates, got ${candidates.length}`);
  if (degradeTo === null) return;
  if (floor === null) throw invalid('degrade_to needs a floor: plans below the floor are used only while the mean accuracy stays above it');
  if (!(degradeTo > 0 && degradeTo < floor))
    throw invalid(`invalid degrade_to: expected above 0 and below the floor of ${floor}, got ${degradeTo}`);
}

function forcedPlan({ fallback }: PlannedSelection, force: boolean, explanation: string): ChosenPlans {
  if (force) return { floorPlan: fallback, topPlan: fallback, ladder: [fallback] };
  throw new PlatformError('wrong_state', explanation.replace(/\.$/, ''), { hint: `\`--force\` serves ${fallback.name} anyway` });
}

/** A candidate that was left out may be the one that was meant to keep the floor. */
function leftOutText(leftOut: readonly { readonly reason: string }[]): string {
  return leftOut.length === 0 ? '' : ` Left out: ${leftOut.map(({ reason }) => reason).join('; ')}.`;
}

function rungsOf({ plans, fits }: PlannedSelection, { topPlan, ladder }: ChosenPlans, degradeTo: number | null): readonly JudgedPlan[] {
  return degradeTo === null ? ladder : degradingLadder(plans, topPlan, degradeTo, fits);
}

function ladderFrom(
  rungs: readonly JudgedPlan[],
  { floorPlan, topPlan }: ChosenPlans,
  selection: SelectionConfig,
  agreement: PlannedSelection['agreement'],
): SelectedLadder {
  const { floor, ratePerSecond, shadowShare = shadowShareDefault } = selection.request;
  // A thinned-out ladder may lack the floor plan: then the next better plan takes its place.
  const floorRung = rungs.findIndex(({ rowsPerSecond }) => rowsPerSecond <= floorPlan.rowsPerSecond);
  const best = rungs.at(-1) as JudgedPlan;
  return {
    models: [...modelsIn(rungs)],
    rungs: rungs.map(
      ({ name, first, second, threshold, accuracy, lower, isCertified, escalated }): LadderRung => ({
        name,
        first,
        second,
        threshold,
        accuracy,
        lower,
        isCertified,
        escalated,
        agreement: agreement({ first, second, threshold }, best),
      }),
    ),
    floorRung: Math.max(floorRung, 0),
    floor,
    creditRowsMax: floor === null ? 0 : Math.max(0, (topPlan.accuracy - floor) * ratePerSecond * creditSeconds),
    shadowShare,
    selection,
  };
}
