/**
 * One choice from beginning to end: takes the arrivals for what they are, has `queueing` choose, and weighs the choice
 * against the setting in force. Pure, plain data both ways: it runs in a thread.
 */
import { formatMs, formatObjective, type Objective } from '../objective.ts';
import {
  type ArrivalFit,
  type ArrivalProcess,
  arrivalStatistics,
  type ChoiceInput,
  type Chosen,
  choose,
  explain,
  fitMoments,
  gapsForShape,
  keepOrChange,
  neverFalling,
} from '../queueing/index.ts';
import type { ArrivalFacts, BatchingAlternative, BatchingSetting } from './batching-decision.ts';
import { arrivalsForPattern } from './due.ts';

/** Requests as they came (in milliseconds of any clock, one for each row), or as they are assumed to come. */
export type ArrivalsGiven =
  | { readonly kind: 'seen'; readonly timesMs: Float64Array }
  | { readonly kind: 'assumed'; readonly process: ArrivalProcess };

export interface ChoiceOrder extends Omit<ChoiceInput, 'arrivals'> {
  readonly objective: Objective | null;
  readonly arrivals: ArrivalsGiven;
  /** Whether the current setting may stay for a small gain: it was chosen for the same wish. */
  readonly mayKeep: boolean;
  /** What stays where no size can hold the model. */
  readonly inForce: BatchingSetting;
}

export interface BatchingChoice {
  readonly setting: BatchingSetting;
  /** Whether it keeps the objective. Where none does, it is the one that comes closest. */
  readonly feasible: boolean;
  /** The chosen one first; none where no size can hold the model. */
  readonly alternatives: readonly BatchingAlternative[];
  readonly arrivals: ArrivalFacts;
  readonly candidates: Chosen['candidates'];
  readonly reason: string;
  readonly explanation: string;
}

export function chooseBatching({ arrivals: given, inForce, mayKeep, ...order }: ChoiceOrder): BatchingChoice {
  const { facts, arrivals } = arrivalsOf(given);
  const input: ChoiceInput = { ...order, arrivals };
  const choice = choose(input);
  if (choice.kind === 'nothing-fits') {
    const { neededMiB, largestMiB } = choice;
    const reason = `the model needs ${Math.ceil(neededMiB)} MiB, and the largest memory size it may have is ${largestMiB} MiB`;
    const nothing = { considered: 0, evaluated: 0, feasible: 0 };
    const explanation = `Nothing was chosen: ${reason}.`;
    return { setting: settingOf(inForce), feasible: false, alternatives: [], arrivals: facts, candidates: nothing, reason, explanation };
  }
  const { candidates } = choice;
  const known = { arrivals: { ...facts, source: choice.source, notes: [...facts.notes, ...choice.notes] }, candidates };
  const told = (chosen: BatchingAlternative, alternatives: readonly BatchingAlternative[]) => ({
    ...known,
    setting: settingOf(chosen),
    feasible: chosen.feasible,
    alternatives,
    explanation: explain({ ...choice, chosen, alternatives, nextCheaper: cheaperThan(chosen, choice) }, input),
  });
  const careful = facts.sampleCount === 0 && given.kind === 'seen' ? carefulChoice(choice) : null;
  if (careful !== null) return { ...told(...careful), reason: 'nobody came yet: the fastest, as it costs little more' };
  const current = choice.alternatives.find(({ label }) => label === 'current');
  const { changes, reason } = keepOrChange(choice);
  if (changes || !mayKeep || current === undefined) {
    return { ...told(choice.chosen, choice.alternatives), reason: reasonOf(choice, order) };
  }
  const kept = told(current, withKept(choice, current, reason));
  const why = current.feasible ? reason : reasonOf(choice, order);
  return { ...kept, reason: why, explanation: `${kept.explanation.replace(/\.$/, '')}; ${reason}.` };
}

/** What is refused for the promise tells why a setting is not cheaper; what was refused for its small gain does not. */
function cheaperThan({ predicted }: BatchingAlternative, { nextCheaper }: Chosen): BatchingAlternative | null {
  return nextCheaper !== null && nextCheaper.predicted.costUsdPerMillion < predicted.costUsdPerMillion ? nextCheaper : null;
}

/** So much more may a setting cost while nobody is there to pay for. */
const carefulCostFactor = 1.25;

/**
 * Before anybody came, the cheapest memory is chosen for nobody's sake, and may be just fast enough: the fastest one is taken
 * instead if it costs about as much. null where that is the cheapest anyway, or much dearer, or nothing is chosen freely.
 */
function carefulChoice({ reason, chosen, alternatives }: Chosen): [BatchingAlternative, BatchingAlternative[]] | null {
  const fastest = alternatives.find(({ label }) => label === 'fastest');
  if (reason !== 'cheapest' || fastest === undefined || !fastest.feasible || chosen.batchSizeMax > 1) return null;
  const [cost, least] = [fastest, chosen].map(({ predicted }) => predicted.costUsdPerMillion) as [number, number];
  if (cost > carefulCostFactor * least || JSON.stringify(settingOf(fastest)) === JSON.stringify(settingOf(chosen))) return null;
  const others = alternatives.filter(({ label }) => label !== 'chosen' && label !== 'runner-up');
  const cheapest = { ...chosen, label: 'runner-up' as const, rejectedBecause: 'cheaper, but slower, while nobody came yet' };
  return [fastest, [{ ...fastest, label: 'chosen', rejectedBecause: null }, ...others, cheapest]];
}

/** How arrivals are taken: as they were replayed, and as the process that describes them. */
function arrivalsOf(given: ArrivalsGiven): { readonly facts: ArrivalFacts; readonly arrivals: ChoiceInput['arrivals'] } {
  if (given.kind === 'assumed') {
    const { ratePerSecond, scv, correlationDecay, indexOfDispersion } = arrivalStatistics(given.process);
    const shape = { scv, correlationDecay, indexOfDispersion, sampleCount: 0, notes: [] };
    const facts: ArrivalFacts = { source: 'map', ratePerSecond, forecastRatePerSecond: null, ...shape };
    return { facts, arrivals: { recordedMs: new Float64Array(0), process: given.process } };
  }
  const timesMs = neverFalling(given.timesMs);
  const fit = fitMoments(gapsOf(timesMs));
  // Too few to be typical: what is replayed is made of the rate that they had.
  const isPatternKnown = timesMs.length >= arrivalsForPattern || fit.process === null;
  const facts = factsOf(fit, timesMs.length);
  return { facts, arrivals: { recordedMs: isPatternKnown ? timesMs : new Float64Array(0), process: fit.process } };
}

function factsOf({ measured, statistics, notes }: ArrivalFit, count: number): ArrivalFacts {
  return {
    source: 'replay',
    ratePerSecond: statistics?.ratePerSecond ?? 0,
    forecastRatePerSecond: null,
    // Of a few gaps nothing is told: Poisson arrivals are assumed.
    scv: statistics === null || count <= gapsForShape ? null : (measured?.scv ?? statistics.scv),
    correlationDecay: statistics?.correlationDecay ?? null,
    indexOfDispersion: statistics?.indexOfDispersion ?? null,
    sampleCount: count,
    notes: count === 0 ? ['Nobody came yet: a request on its own is assumed.'] : notes,
  };
}

function gapsOf(timesMs: Float64Array): Float64Array {
  const gaps = new Float64Array(Math.max(0, timesMs.length - 1));
  for (let i = 0; i < gaps.length; i++) gaps[i] = (timesMs[i + 1] as number) - (timesMs[i] as number);
  return gaps;
}

function settingOf({ memoryMiB, batchSizeMax, waitMsMax }: BatchingSetting): BatchingSetting {
  return { memoryMiB, batchSizeMax, waitMsMax };
}

/** The setting in force is the chosen one, and what was found instead the runner-up, refused for its small gain. */
function withKept({ chosen, alternatives }: Chosen, current: BatchingAlternative, reason: string): readonly BatchingAlternative[] {
  const others = alternatives.filter(({ label }) => label !== 'chosen' && label !== 'runner-up');
  const isSame = JSON.stringify(settingOf(chosen)) === JSON.stringify(settingOf(current));
  const runnerUp = isSame ? alternatives.filter(({ label }) => label === 'runner-up') : [{ ...chosen, label: 'runner-up' as const }];
  const refused = runnerUp.map((other) => ({ ...other, rejectedBecause: other.rejectedBecause ?? reason }));
  return [{ ...current, label: 'chosen', rejectedBecause: null }, ...others, ...refused];
}

function reasonOf({ reason, chosen, missesByMs }: Chosen, { objective, marginMs }: Pick<ChoiceOrder, 'objective' | 'marginMs'>): string {
  if (objective === null) return 'no objective: nobody waits for company';
  const promise = formatObjective(objective);
  const misses = `misses ${promise} by ${msText(missesByMs)}`;
  if (reason === 'given') return chosen.feasible ? `set by its user; keeps ${promise}` : `set by its user; ${misses}`;
  if (reason === 'approximation' && !chosen.feasible) return `by the published approximation, which ${misses}`;
  if (reason !== 'slo-unreachable') return `the cheapest that keeps ${promise}`;
  const { latencyMs, percentile } = objective;
  const best = `the best reaches p${percentile} ${msText(latencyMs - marginMs + missesByMs)}`;
  const margin = marginMs > 0 ? ` and ${msText(marginMs)} are held back` : '';
  return `no setting keeps ${promise}: ${best}${margin}, ${msText(missesByMs)} too much`;
}

function msText(ms: number): string {
  return ms >= 1000 ? `${Number((ms / 1000).toPrecision(3))}s` : formatMs(Number(ms.toPrecision(3)));
}
