/**
 * Holds a selection whose rows are not those of its evaluation any more. What a hold does never makes answers cheaper: plans below the floor
 * are withdrawn, and if labels show that the floor is broken, the most accurate plan answers everything. Pure.
 */
import type { LadderConfig, LadderRung, SelectedLadder, SelectionHold } from '../deployment/index.ts';
import type { Decision, NewDecision } from '../records/index.ts';
import { logEvidence } from '../statistics/index.ts';
import type { ChosenSelection, SelectionAlternative, SelectionInputs, SelectionReason } from './selection-decision.ts';

export interface LabelledRows {
  readonly rows: number;
  /** Rows that were answered rightly. */
  readonly hits: number;
}

/** Labels may be looked at after every row: if the floor holds, they ever show the contrary with this probability at most. */
const alpha = 0.01;

/** What the labels of rows that were served since the decision say against the floor; null: nothing. */
export function accuracyRuling(floor: number | null, { rows, hits }: LabelledRows): string | null {
  if (floor === null || logEvidence(rows - hits, rows, 1 - floor) < Math.log(1 / alpha)) return null;
  const counts = `${(rows - hits).toLocaleString('en-US')} errors in ${rows.toLocaleString('en-US')} labelled rows`;
  return `labels show an accuracy below ${floor}: ${counts}, ${(hits / rows).toFixed(4)} are right`;
}

/** The ladder while it is held. */
export function heldLadder(ladder: SelectedLadder, held: SelectionHold): SelectedLadder {
  const selection = { ...ladder.selection, held };
  // Without credit no plan below the floor answers. The workers stay.
  if (held.cause !== 'accuracy') return { ...ladder, creditRowsMax: 0, selection };
  const top = ladder.rungs.at(-1) as LadderRung;
  const models = top.second === null ? [top.first] : [top.first, top.second];
  return { ...ladder, models, rungs: [top], floorRung: 0, creditRowsMax: 0, selection };
}

const effectsOf: Readonly<Record<SelectionHold['cause'], (top: string) => string>> = {
  escalation: () => 'Plans below the floor are withdrawn',
  agreement: () => 'Plans below the floor are withdrawn',
  accuracy: (top) => `${top} answers all batches`,
};

/** The decision to hold, in the form of the one that it ends. */
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
