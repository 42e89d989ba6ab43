/** Opens selections: chooses plans, records decisions, measures their effects, and checks whether certificates still hold. */
import type { Closers } from '../../closers.ts';
import type { GroundTruth } from '../../data-quality/index.ts';
import type { Deployments } from '../../deployment/index.ts';
import { messageOf } from '../../errors.ts';
import type { Foundation } from '../../foundation/index.ts';
import type { Decisions } from '../../records/index.ts';
import type { Serving } from '../../serving/index.ts';
import type { Evaluations } from '../evaluations.ts';
import { Challengers } from './challengers.ts';
import { LadderLoads } from './ladder-loads.ts';
import { LadderPlanner } from './ladder-planner.ts';
import { SelectionEffects } from './selection-effects.ts';
import { SelectionEvidence } from './selection-evidence.ts';
import { SelectionPlanner, type SelectionPlannerOptions } from './selection-planner.ts';
import { SelectionRecorder, type SelectionRecorderOptions } from './selection-recorder.ts';
import { SelectionReview, type SelectionReviewOptions } from './selection-review.ts';
import { SelectionTriggers } from './selection-triggers.ts';
import { SelectionWatch } from './selection-watch.ts';

export interface OpenSelectionsDeps
  extends Omit<SelectionPlannerOptions, 'answers' | 'tests' | 'registry'>,
    Pick<SelectionRecorderOptions, 'events'>,
    Pick<Foundation, 'db' | 'clock' | 'series' | 'logs'> {
  readonly decisions: Pick<Decisions, 'record' | 'recordIn' | 'list' | 'fillEffect'>;
  readonly deployments: Pick<Deployments, 'list' | 'get' | 'update'>;
  readonly registry: SelectionReviewOptions['registry'];
  readonly serving: Pick<Serving, 'endpoint' | 'endpoints'>;
  readonly truth: Pick<GroundTruth, 'labelledSince' | 'discordantSince'>;
  readonly evaluations: Pick<Evaluations, 'answers' | 'tests' | 'create' | 'find'>;
}

/** Starts the loops of selections; `closers` ends them. */
export async function openSelections(deps: OpenSelectionsDeps, closers: Closers) {
  const { clock, decisions, series, deployments, logs, evaluations } = deps;
  const { answers, tests } = evaluations;
  const selection = new SelectionPlanner({ ...deps, answers, tests });
  const effects = new SelectionEffects({
    clock,
    decisions,
    store: series,
    endpoints: () => deployments.list().map(({ config }) => config),
    onFailure: (error) => logs.platform.error({ error: messageOf(error) }, 'failed to measure the effect of a selection, will retry'),
  });
  const evidence = new SelectionEvidence({
    db: deps.db,
    served: (endpoint) => deps.serving.endpoint(endpoint),
    endpoints: () => deployments.list().map(({ config }) => config.name),
  });
  await evidence.open();
  const ladders = new LadderPlanner({ ...deps, planner: selection, answers });
  const selectionRecorder = new SelectionRecorder({ ...deps, tests });
  const selectionReview = new SelectionReview({ ...deps, ladders, recorder: selectionRecorder });
  const watch = new SelectionWatch({
    ...deps,
    evidence,
    store: series,
    labelled: (...of) => deps.truth.labelledSince(...of),
    review: (...of) => selectionReview.review(...of),
    onFailure: (endpoint, error) => logs.platform.warn({ endpoint, error: messageOf(error) }, 'failed to judge a selection, will retry'),
  });
  const loads = new LadderLoads({
    clock,
    decisions,
    served: () => deps.serving.endpoints(),
    onFailure: (endpoint, error) =>
      logs.platform.warn({ endpoint, error: messageOf(error) }, 'failed to record a missing model, will retry'),
  });
  const triggers = new SelectionTriggers({
    ...deps,
    answers,
    store: series,
    review: (...of) => selectionReview.review(...of),
    onFailure: (endpoint, error) => logs.platform.warn({ endpoint, error: messageOf(error) }, 'failed to choose plans again, will retry'),
  });
  const challengers = new Challengers({
    ...deps,
    answers,
    store: series,
    served: (endpoint) => deps.serving.endpoint(endpoint),
    discordant: (...of) => deps.truth.discordantSince(...of),
    review: (...of) => selectionReview.review(...of),
    onFailure: (endpoint, error) => logs.platform.warn({ endpoint, error: messageOf(error) }, 'failed to judge a challenger, will retry'),
  });
  for (const part of [effects, watch, loads, triggers, challengers]) closers.add(part).open();
  const selectionRulings = (endpoint: string) => ({ ...evidence.poll(endpoint), accuracy: watch.accuracy(endpoint) });
  return { selection, ladders, selectionRecorder, selectionReview, selectionRulings, selectionWatch: watch, challengers };
}
