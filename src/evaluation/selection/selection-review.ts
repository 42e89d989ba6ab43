/** Chooses the plans of an endpoint again for the same request, from the newest approved versions, evaluations and profiles. */
import {
  type Deployments,
  type EndpointConfig,
  inOrder,
  isSameLadder,
  ladderModelsMax,
  planAlone,
  requireCompatibleSignature,
  type SelectedLadder,
  type TransactionHook,
  type VariantConfig,
} from '../../deployment/index.ts';
import { PlatformError } from '../../errors.ts';
import type { Registry } from '../../registry/index.ts';
import { withChallenger } from './challenger-rule.ts';
import type { LadderPlanner, PlannedLadder } from './ladder-planner.ts';
import type { SelectionRecorder } from './selection-recorder.ts';

export interface SelectionReviewOptions {
  readonly deployments: Pick<Deployments, 'get' | 'update'>;
  readonly registry: Parameters<typeof requireCompatibleSignature>[0] & Pick<Registry, 'resolve'>;
  readonly ladders: Pick<LadderPlanner, 'plan'>;
  readonly recorder: Pick<SelectionRecorder, 'recording'>;
}

export class SelectionReview {
  readonly #options: SelectionReviewOptions;

  constructor(options: SelectionReviewOptions) {
    this.#options = options;
  }

  /** Stores the decision, and changes the plans if others were chosen. Ends a hold. Throws like `LadderPlanner.plan`. */
  async review(endpoint: string, trigger: string, by: string): Promise<void> {
    const { deployments, registry, ladders, recorder } = this.#options;
    const { config } = deployments.get(endpoint);
    const { variant, ladder } = requireSelection(config);
    const { request, decision } = ladder.selection;
    const planned = await ladders.plan({
      ...request,
      endpoint: config.name,
      objective: config.objective,
      instanceType: variant.instanceType,
      force: decision.state === 'not-certified',
      isReview: true,
    });
    const { contract } = planned;
    const next = retainedChallenger(planned, ladder, trigger);
    const chosen = isSameLadder(next, ladder) ? ladder : next;
    const change = { name: variant.name, model: { group: contract.group, version: contract.version }, ladder: chosen };
    const recording = recorder.recording(planned, trigger);
    const hook = inOrder(requireUnchanged(variant.name, ladder), requireCompatibleSignature(registry), recording.hook);
    await deployments.update(config.name, { variantChanges: [change] }, by, hook);
    recording.publish();
  }
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
