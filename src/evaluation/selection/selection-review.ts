/** Chooses the plans of an endpoint again for the same request, from the newest approved versions, evaluations and profiles. */
import { defined } from '../../defined.ts';
import {
  type Deployments,
  type EndpointConfig,
  inOrder,
  isSameLadder,
  ladderKey,
  ladderModelsMax,
  planAlone,
  requireCompatibleSignature,
  type SelectedLadder,
  type TransactionHook,
  type VariantConfig,
} from '../../deployment/index.ts';
import { PlatformError } from '../../errors.ts';
import type { Registry } from '../../registry/index.ts';
import type { PlansInForce } from '../../selection/index.ts';
import { withChallenger } from './challenger-rule.ts';
import type { LadderPlanner, PlannedLadder } from './ladder-planner.ts';
import type { SelectionRecorder } from './selection-recorder.ts';

/**
 * Conditions that changed while the candidates and what is known of them did not: the load, a measured profile, the prices, or none that is
 * known of (`period`). Plans that serve stay then, unless others are worth the change.
 */
export const conditionTriggers = ['prices', 'profile', 'rate', 'period'] as const;
export type ConditionTrigger = (typeof conditionTriggers)[number];

export interface SelectionReviewOptions {
  readonly deployments: Pick<Deployments, 'get' | 'update'>;
  readonly registry: Parameters<typeof requireCompatibleSignature>[0] & Pick<Registry, 'resolve'>;
  readonly ladders: Pick<LadderPlanner, 'plan'>;
  readonly recorder: Pick<SelectionRecorder, 'recording'>;
}

/** Reviews that a caller requested. */
const callerTriggers: ReadonlySet<string> = new Set(['asked', 'release']);

/** Deploys only what differs from what serves. */
export class SelectionReview {
  readonly #options: SelectionReviewOptions;

  constructor(options: SelectionReviewOptions) {
    this.#options = options;
  }

  /**
   * Stores the decision, and changes the plans if others were chosen. Ends a hold. A review by `period` that changes nothing is not stored.
   * `ratePerSecond`: the measured load, in rows; default: the one that the plans were chosen by. Throws like
   * `LadderPlanner.plan`, and `wrong_state` if the evaluation set is another one and no caller requested the review.
   */
  async review(endpoint: string, trigger: string, by: string, ratePerSecond?: number): Promise<void> {
    const { deployments, registry, ladders, recorder } = this.#options;
    const { config } = deployments.get(endpoint);
    const { variant, ladder } = requireSelection(config);
    const { request, decision } = ladder.selection;
    const isCondition = conditionTriggers.some((each) => each === trigger);
    const planned = await ladders.plan({
      ...request,
      ...defined({ ratePerSecond, inForce: isCondition ? plansInForce(ladder) : undefined }),
      endpoint: config.name,
      objective: config.objective,
      instanceType: variant.instanceType,
      force: decision.state === 'not-certified',
      isReview: true,
    });
    const { contract } = planned;
    if (!callerTriggers.has(trigger)) requireSameRows(config.name, ladder, planned.ladder);
    const next = retainedChallenger(planned, ladder, trigger);
    const isSame = isCondition ? servesSame(next, ladder) : isSameLadder(next, ladder);
    if (isSame && trigger === 'period' && planned.tests.fresh.length === 0) return;
    const chosen = isSame ? ladder : next;
    const change = { name: variant.name, model: { group: contract.group, version: contract.version }, ladder: chosen };
    const recording = recorder.recording(planned, trigger);
    const hook = inOrder(requireUnchanged(variant.name, ladder), requireCompatibleSignature(registry), recording.hook);
    await deployments.update(config.name, { variantChanges: [change] }, by, hook);
    recording.publish();
  }
}

/** A thinned-out ladder may lack the chosen floor plan. */
function plansInForce({ rungs, selection: { decision } }: SelectedLadder): PlansInForce {
  return { floorPlan: decision.floorPlan, rungs: [...rungs.map(({ name }) => name), decision.floorPlan] };
}

/** A set that was deleted, and another one of its name, decide nothing until a caller says so. Throws `wrong_state`. */
function requireSameRows(endpoint: string, { selection: { decision } }: SelectedLadder, { selection: next }: SelectedLadder): void {
  if (next.decision.sha256 === decision.sha256) return;
  throw new PlatformError(
    'wrong_state',
    `evaluation set ${next.request.set} has other rows than those by which the plans of ${endpoint} were chosen: expected sha256 ` +
      `${decision.sha256.slice(0, 12)}, got ${next.decision.sha256.slice(0, 12)}. To choose by the new rows, run \`penstock select ${endpoint} --now\``,
  );
}

/** Whether workers load the same and run the same plans, as sure as before; at another rate or price. */
function servesSame(one: SelectedLadder, other: SelectedLadder): boolean {
  return ladderKey(one) === ladderKey(other) && one.selection.decision.state === other.selection.decision.state;
}

/** A challenger that labels have not decided on stays loaded, unless it is a candidate now or there is no room. */
function retainedChallenger({ ladder, findings }: PlannedLadder, { challenger }: SelectedLadder, trigger: string): SelectedLadder {
  if (challenger === undefined || trigger === 'promote' || ladder.models.length >= ladderModelsMax) return ladder;
  if (findings.inputs.profiles.some(({ model }) => model === challenger.model)) return ladder;
  const { incumbent } = challenger;
  return withChallenger(ladder, {
    ...challenger,
    incumbent: incumbent !== null && planAlone(ladder, incumbent) === null ? null : incumbent,
  });
}

/** Planning takes minutes if models are measured. A deployment or hold in the meantime takes precedence: throws `wrong_state`. */
export function requireUnchanged(variant: string, ladder: SelectedLadder): TransactionHook {
  return async (_tx, { config: { name } }, before) => {
    const now = before?.variants.find((each) => each.name === variant)?.ladder;
    if (now === undefined || !isSameLadder(now, ladder))
      throw new PlatformError('wrong_state', `the plans of ${name} changed while others were chosen: choose again`);
  };
}

/** Throws `wrong_state` for an endpoint without a selection. */
export function requireSelection({ name, variants }: Pick<EndpointConfig, 'name' | 'variants'>): {
  readonly variant: VariantConfig;
  readonly ladder: SelectedLadder;
} {
  for (const variant of variants) {
    const { ladder } = variant;
    if (ladder?.selection !== undefined) return { variant, ladder: { ...ladder, selection: ladder.selection } };
  }
  throw new PlatformError(
    'wrong_state',
    `endpoint ${name} serves versions, not a selection: deploy it with \`penstock deploy ${name} --select …\``,
  );
}
