/** Records when workers cannot load models of a selection, so plans are dropped, and when the models are back. */
import type { Decision, Decisions, NewDecision } from '../../records/index.ts';
import { answeringVariants, type ServedVariant, type ServedView } from '../../serving/index.ts';
import type { ChosenSelection, SelectionInputs, SelectionReason } from './selection-decision.ts';
import { SelectionLoop, type SelectionLoopOptions } from './selection-loop.ts';

/** What is observed, and where changes are recorded. */
export interface LadderLoadsOptions extends SelectionLoopOptions {
  readonly decisions: Pick<Decisions, 'list' | 'record'>;
  readonly served: () => readonly Pick<ServedView, 'name' | 'variants'>[];
}

const lookEveryMs = 5000;

/** Records changes only: once when models are missing, once when they are back. */
export class LadderLoads extends SelectionLoop {
  readonly #options: LadderLoadsOptions;
  /** By endpoint: the missing models, as last recorded. */
  readonly #recorded = new Map<string, string>();

  constructor(options: LadderLoadsOptions) {
    super(options, lookEveryMs);
    this.#options = options;
  }

  /** Records a decision for each change of the plans that could not be loaded. After a restart, what is missing then is recorded again. */
  async look(): Promise<void> {
    const { served, decisions, onFailure } = this.#options;
    const views = served();
    const names = new Set(views.map(({ name }) => name));
    for (const name of this.#recorded.keys()) if (!names.has(name)) this.#recorded.delete(name);
    for (const view of views) {
      for (const variant of answeringVariants(view)) {
        const missing = variant.unloaded.map(({ model }) => model).join();
        if (variant.ladder === null || missing === (this.#recorded.get(view.name) ?? '')) continue;
        try {
          const [last] = await decisions.list({ endpoint: view.name, kind: 'selection', changes: true, limit: 1 });
          if (last !== undefined) await decisions.record(loadDecision(last, variant));
          this.#recorded.set(view.name, missing);
        } catch (error) {
          onFailure(view.name, error);
        }
      }
    }
  }
}

/** The decision in force, with the plans that can run. */
function loadDecision(
  last: Decision,
  { ladder, unloaded, executors }: Pick<ServedVariant, 'ladder' | 'unloaded' | 'executors'>,
): NewDecision {
  const [inputs, chosen] = [last.inputs as SelectionInputs, last.chosen as ChosenSelection];
  const missing = new Set(unloaded.map(({ model }) => model));
  const all = ladder?.config.rungs ?? [];
  const left = all.filter(({ first, second }) => !missing.has(first) && (second === null || !missing.has(second)));
  const [cheapest, best] = [left[0], left.at(-1)];
  const reasons = unloaded.map(
    ({ model, reason, workers }) =>
      `${model} could not be loaded by ${workers} of ${executors.length} workers: ${reason.replace(/\.$/, '')}`,
  );
  const dropped = all.length - left.length;
  const reason: SelectionReason = missing.size > 0 ? 'model-missing' : 'model-loaded';
  return {
    kind: 'selection',
    endpoint: last.endpoint,
    variant: last.variant,
    trigger: 'load',
    inputs: { ...inputs, before: { floorPlan: chosen.floorPlan, ladder: chosen.ladder.map(({ plan }) => plan) } } satisfies SelectionInputs,
    alternatives: last.alternatives,
    chosen: {
      ...chosen,
      floorPlan: cheapest?.name ?? chosen.floorPlan,
      topPlan: best?.name ?? chosen.topPlan,
      ladder: left.map(({ name, accuracy }) => ({ plan: name, accuracy })),
      loaded: (ladder?.config.models ?? chosen.loaded).filter((model) => !missing.has(model)),
    } satisfies ChosenSelection,
    reason,
    explanation:
      missing.size > 0
        ? `${reasons.join('; ')}. ${dropped} of ${all.length} plans need it and are left out until it loads.`
        : 'All models are loaded again: every plan of the ladder serves.',
    changes: true,
  };
}
