/**
 * When labels decide between a challenger and the version that it would replace, and the decisions that say so. Only rows count on which
 * one of them is right and the other is not: if both were equally good, either would be right on half of these. Pure.
 */
import type { DiscordantPairs } from '../../data-quality/index.ts';
import type { LadderChallenger, SelectedLadder } from '../../deployment/index.ts';
import type { Decision, NewDecision } from '../../records/index.ts';
import { logEvidence } from '../../statistics/index.ts';
import type { ChosenSelection, SelectionInputs, SelectionReason } from './selection-decision.ts';

/** Labels may be looked at after every row: of two equally good versions, one is ever preferred with probability 5 % at most each. */
const alpha = 0.05;
const pairsMin = 10;

/** Evidence for and against a challenger, from labelled rows. */
export interface ChallengerEvidence extends DiscordantPairs {
  /** e-values: 20 decides. */
  readonly promote: number;
  readonly demote: number;
}

/** Capped far above what decides, so that it stays a finite number. */
export function challengerEvidence(pairs: DiscordantPairs): ChallengerEvidence {
  const { better, worse } = pairs;
  const evidence = (ones: number): number => Math.exp(Math.min(logEvidence(ones, better + worse, 0.5), 700));
  return { ...pairs, promote: evidence(better), demote: evidence(worse) };
}

/** Null while labels do not decide. */
export function challengerVerdict({ better, worse, promote, demote }: ChallengerEvidence): 'promote' | 'demote' | null {
  if (better + worse < pairsMin) return null;
  if (promote >= 1 / alpha) return 'promote';
  return demote >= 1 / alpha ? 'demote' : null;
}

/** For texts: the version that would be replaced, or what clients get now. */
export function opponentOf({ incumbent }: Pick<LadderChallenger, 'incumbent'>): string {
  return incumbent ?? 'the answers that clients got';
}

/** `on 22 of 1,450 labelled rows only one of them is right: digits-mlp/2 on 20, digits-mlp/1 on 2 (e = 968, 20 decides)` */
export function discordanceText(challenger: LadderChallenger, evidence: ChallengerEvidence, verdict: 'promote' | 'demote'): string {
  const { better, worse, rows } = evidence;
  const count = (value: number): string => value.toLocaleString('en-US');
  const e = evidence[verdict] >= 1e6 ? 'above 1,000,000' : `= ${count(Math.round(evidence[verdict]))}`;
  return (
    `on ${count(better + worse)} of ${count(rows)} labelled rows only one of them is right: ${challenger.model} on ${count(better)}, ` +
    `${opponentOf(challenger)} on ${count(worse)} (e ${e}, ${1 / alpha} decides)`
  );
}

/** A change of the challenger, as its decision records it. */
export interface ChallengerChange {
  readonly trigger: 'version' | 'promote' | 'demote';
  readonly reason: Extract<SelectionReason, 'challenger-loaded' | 'challenger-promoted' | 'challenger-demoted'>;
  readonly explanation: string;
  /** Whether workers load other models. */
  readonly changes: boolean;
}

/** The decision in force, with the models that are loaded now. */
export function challengerDecision(last: Decision, ladder: SelectedLadder, change: ChallengerChange): NewDecision {
  const [inputs, chosen] = [last.inputs as SelectionInputs, last.chosen as ChosenSelection];
  const { trigger, reason, explanation, changes } = change;
  return {
    kind: 'selection',
    endpoint: last.endpoint,
    variant: last.variant,
    trigger,
    inputs: { ...inputs, before: { floorPlan: chosen.floorPlan, ladder: chosen.ladder.map(({ plan }) => plan) } } satisfies SelectionInputs,
    alternatives: last.alternatives,
    chosen: { ...chosen, loaded: ladder.models } satisfies ChosenSelection,
    reason,
    explanation,
    changes,
    ...(changes ? {} : { effect: { unknown: 'it changed nothing: see the decision before it' } }),
  };
}

/** The ladder with a challenger that its workers load, too. */
export function withChallenger(ladder: SelectedLadder, challenger: LadderChallenger): SelectedLadder {
  return { ...ladder, models: [...ladder.models, challenger.model], challenger };
}

/** The ladder without its challenger. `isDemoted`: it is not tried again. */
export function withoutChallenger(ladder: SelectedLadder, isDemoted: boolean): SelectedLadder {
  const { challenger, ...others } = ladder;
  if (challenger === undefined) return ladder;
  const { request } = ladder.selection;
  const demoted = isDemoted ? { demoted: [...(request.demoted ?? []), challenger.model] } : {};
  return {
    ...others,
    models: ladder.models.filter((model) => model !== challenger.model),
    selection: { ...ladder.selection, request: { ...request, ...demoted } },
  };
}
