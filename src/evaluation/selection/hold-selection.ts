/**
 * Holds a selection whose rows are no longer those of its evaluation. A hold never makes answers cheaper: plans below the floor
 * are not used, and if labels show an accuracy below the floor, the most accurate plan answers everything. Pure.
 */
import type { DriftRuling, HitCounts, LabelledAnswers } from '../../data-quality/index.ts';
import type { LadderConfig, LadderRung, SelectedLadder, SelectionHold } from '../../deployment/index.ts';
import type { Decision, NewDecision } from '../../records/index.ts';
import { confidenceSequence, logEvidence } from '../../statistics/index.ts';
import type { ChosenSelection, SelectionAlternative, SelectionInputs, SelectionReason } from './selection-decision.ts';

/** The maximum probability of a false alarm by labels, although they are evaluated after every row. */
const alpha = 0.01;
/** Of the intervals that are shown. */
const intervalAlpha = 0.05;

/** How the labels of rows served since the decision contradict the floor; null if they do not. */
export function accuracyRuling(floor: number | null, { rows, hits }: HitCounts): string | null {
  if (floor === null || logEvidence(rows - hits, rows, 1 - floor) < Math.log(1 / alpha)) return null;
  const counts = `${(rows - hits).toLocaleString('en-US')} errors in ${rows.toLocaleString('en-US')} labelled rows`;
  return `labels show an accuracy below ${floor}: ${counts}, ${(hits / rows).toFixed(4)} are right`;
}

/** Labelled rows, the share of right ones, and its 95 % interval, which is valid whenever it is read. */
export interface MeasuredAccuracy {
  readonly rows: number;
  readonly accuracy: number;
  readonly low: number;
  readonly high: number;
}

/** Measured by labels on live requests: of the answers that clients got, and of each plan. */
export interface SelectionQuality extends MeasuredAccuracy {
  /** Including rows that a plan ran in idle time. */
  readonly plans: ReadonlyMap<string, MeasuredAccuracy>;
}

/** Null without labels. */
export function selectionQuality({ plans, ...all }: LabelledAnswers): SelectionQuality | null {
  const measured = ({ rows, hits }: HitCounts): MeasuredAccuracy => {
    return { rows, accuracy: hits / rows, ...confidenceSequence(hits, rows, intervalAlpha) };
  };
  if (all.rows === 0) return null;
  return { ...measured(all), plans: new Map([...plans].map(([plan, counts]) => [plan, measured(counts)])) };
}

/** The e-value of "the accuracy is at least the floor" against these labels: 100 holds. */
export function floorEvidence(floor: number, { rows, hits }: HitCounts): number {
  return Math.exp(Math.min(logEvidence(rows - hits, rows, 1 - floor), 700));
}

/** The state of the alarm: null without a floor; `isDrifted` is null before the first label. */
export function accuracyAlarm(
  floor: number | null,
  held: SelectionHold | undefined,
  { rows, hits }: HitCounts,
  broken: string | null,
): DriftRuling | null {
  if (floor === null) return null;
  if (held?.cause === 'accuracy') return { isDrifted: true, reason: held.reason };
  if (broken !== null) return { isDrifted: true, reason: broken };
  if (rows === 0) return { isDrifted: null, reason: 'no rows have labels since the plans were chosen' };
  const right = `${hits.toLocaleString('en-US')} of ${rows.toLocaleString('en-US')} labelled rows are right`;
  return { isDrifted: false, reason: `${right}: no proof that the accuracy is below ${floor}` };
}

/** The number of new labels of a deployer that can end a hold, if their anytime-valid interval is above the floor. */
const releaseRowsMin = 300;
const releaseAlpha = 0.05;

/** The reason to end a hold if trusted labels of rows answered since then show an accuracy above the floor; otherwise null. */
export function releaseRuling(floor: number | null, { rows, hits }: HitCounts): string | null {
  if (floor === null || rows < releaseRowsMin) return null;
  const { low } = confidenceSequence(hits, rows, releaseAlpha);
  return low < floor ? null : `${rows.toLocaleString('en-US')} labelled rows show an accuracy of at least ${low.toFixed(4)}`;
}

/** A plan with fewer labelled rows is not compared with others. */
const comparedRowsMin = 100;

/** The plan with the best accuracy on its labelled rows; the most accurate one of the evaluation if too few rows have labels. */
function bestLabelled(rungs: readonly LadderRung[], plans: LabelledAnswers['plans']): LadderRung {
  const shareOf = ({ name }: LadderRung): number => {
    const { rows = 0, hits = 0 } = plans.get(name) ?? {};
    return rows < comparedRowsMin ? -1 : hits / rows;
  };
  const top = rungs.at(-1) as LadderRung;
  return rungs.toReversed().reduce((best, each) => (shareOf(each) > shareOf(best) ? each : best), top);
}

/** The ladder of a held selection. `plans`: the labelled rows of each plan, including those that ran in idle time. */
export function heldLadder(ladder: SelectedLadder, held: SelectionHold, plans: LabelledAnswers['plans'] = new Map()): SelectedLadder {
  const selection = { ...ladder.selection, held };
  // Without credit, no plan below the floor answers. The workers stay.
  if (held.cause !== 'accuracy') return { ...ladder, creditRowsMax: 0, selection };
  // Any client that invokes the endpoint may post labels: they must not choose a plan below the floor for all.
  const best = bestLabelled(ladder.rungs.slice(ladder.floorRung), plans);
  const models = best.second === null ? [best.first] : [best.first, best.second];
  const { challenger: _challenger, ...others } = ladder;
  return { ...others, models, rungs: [best], floorRung: 0, creditRowsMax: 0, selection };
}

const effectsOf: Readonly<Record<SelectionHold['cause'], (top: string) => string>> = {
  escalation: () => 'Plans below the floor are withdrawn',
  agreement: () => 'Plans below the floor are withdrawn',
  accuracy: (top) => `${top} answers all batches`,
};

/** The decision to hold, derived from the one that it ends. */
export function holdDecision(last: Decision, ladder: LadderConfig, { cause, reason }: SelectionHold): NewDecision {
  const [inputs, chosen] = [last.inputs as SelectionInputs, last.chosen as ChosenSelection];
  const alternatives = last.alternatives as readonly SelectionAlternative[];
  const [floorRung, top] = [ladder.rungs[ladder.floorRung] as LadderRung, ladder.rungs.at(-1) as LadderRung];
  const usdPerHour = alternatives.find(({ name }) => name === floorRung.name)?.usdPerHour ?? chosen.predicted.usdPerHour;
  const now: ChosenSelection = {
    state: 'held',
    floorPlan: floorRung.name,
    topPlan: top.name,
    ladder: ladder.rungs.map(({ name, accuracy }) => ({ plan: name, accuracy })),
    loaded: ladder.models,
    predicted: {
      accuracyMin: floorRung.accuracy,
      accuracyMax: top.accuracy,
      p95Ms: floorRung.name === chosen.floorPlan ? chosen.predicted.p95Ms : null,
      usdPerHour,
      usdPerMillion: (usdPerHour / (inputs.ratePerSecond * 3600)) * 1e6,
    },
  };
  return {
    kind: 'selection',
    endpoint: last.endpoint,
    variant: last.variant,
    trigger: cause,
    inputs: { ...inputs, before: { floorPlan: chosen.floorPlan, ladder: chosen.ladder.map(({ plan }) => plan) } } satisfies SelectionInputs,
    alternatives,
    chosen: now,
    reason: 'held' satisfies SelectionReason,
    explanation: `Held: ${reason}. ${effectsOf[cause](top.name)}; nothing cheaper is chosen until new rows are evaluated or it is released.`,
    changes: true,
  };
}
