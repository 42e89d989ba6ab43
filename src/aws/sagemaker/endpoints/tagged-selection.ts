/** The plans of an endpoint whose config lets Penstock select the model by tags. */
import { isSameLadder, type VariantConfig } from '../../../deployment/index.ts';
import { type LadderPlanner, type SelectionRecorder, type SelectionRecording, selectionRateDefault } from '../../../evaluation/index.ts';
import { AwsError } from '../../service.ts';
import type { SelectionTags } from '../selection-tags.ts';
import type { CompleteChange } from './deployable.ts';

export interface TaggedSelectionDeps {
  readonly ladders: Pick<LadderPlanner, 'plan'>;
  readonly selectionRecorder: Pick<SelectionRecorder, 'recording'>;
}

interface SelectedChange {
  readonly variants: readonly VariantConfig[];
  /** The decision, to be stored with the change; null without a selection. */
  readonly recording: SelectionRecording | null;
}

/**
 * The variants with the plans that were chosen. The model of the config is the reference, whose signature clients see. Throws
 * `ValidationException` for several variants, and like `LadderPlanner.plan`.
 */
export async function withSelection(
  endpoint: string,
  { variants, objective }: Pick<CompleteChange, 'variants' | 'objective'>,
  tags: SelectionTags | null,
  { ladders, selectionRecorder }: TaggedSelectionDeps,
): Promise<SelectedChange> {
  if (tags === null) return { variants, recording: null };
  const [variant, ...others] = variants;
  if (variant === undefined || others.length > 0)
    throw new AwsError('ValidationException', `A selection serves one production variant: expected 1, got ${variants.length}.`);
  const planned = await ladders.plan({
    endpoint,
    ...tags,
    reference: `${variant.group}/${variant.version}`,
    goal: { kind: 'cheapest' },
    confidence: 0.95,
    degradeTo: null,
    ratePerSecond: selectionRateDefault,
    objective,
    instanceType: variant.instanceType,
    force: false,
  });
  const before = variant.ladder;
  const ladder = before !== undefined && isSameLadder(planned.ladder, before) ? before : planned.ladder;
  return { variants: [{ ...variant, ladder }], recording: selectionRecorder.recording(planned, 'deploy') };
}
