/**
 * One complete choice: describes the arrivals, lets `queueing` choose a setting, and compares it with the current one. Pure, with
 * plain data as input and output, because it runs in a thread.
 */
import { formatMs, formatObjective, type Objective } from '../../objective.ts';
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
} from '../../queueing/index.ts';
import type { ArrivalFacts, BatchingAlternative, BatchingSetting } from './batching-decision.ts';
import { arrivalsForPattern } from './due.ts';

/** Recorded arrivals, one time per row in milliseconds of any clock, or an assumed arrival process. */
export type ArrivalsInput =
  | { readonly kind: 'seen'; readonly timesMs: Float64Array }
  | { readonly kind: 'assumed'; readonly process: ArrivalProcess };

/** A choice with the setting in force, which stays if the gain is small. */
export interface ChoiceRequest extends Omit<ChoiceInput, 'arrivals'> {
  readonly objective: Objective | null;
  readonly arrivals: ArrivalsInput;
  /** True if the current setting was chosen for the same query, so it can stay if the gain is small. */
  readonly canKeepCurrent: boolean;
  /** The current setting; it stays if no memory size can hold the model. */
  readonly inForce: BatchingSetting;
}

/** The chosen setting, its alternatives and the reasons. */
export interface BatchingChoice {
  readonly setting: BatchingSetting;
  /** True if the setting meets the objective. If no setting does, this one comes closest. */
  readonly feasible: boolean;
  /** The chosen setting first; empty if no memory size can hold the model. */
  readonly alternatives: readonly BatchingAlternative[];
  readonly arrivals: ArrivalFacts;
  readonly candidates: Chosen['candidates'];
  readonly reason: string;
  readonly explanation: string;
}

/** Chooses a batching setting. Never throws for unusual arrivals. */
export function chooseBatching({ arrivals: provided, inForce, canKeepCurrent, ...order }: ChoiceRequest): BatchingChoice {
  const { facts, arrivals } = arrivalsOf(provided);
  const input: ChoiceInput = { ...order, arrivals };
  const choice = choose(input);
  if (choice.kind === 'nothing-fits') {
    const { neededMiB, largestMiB } = choice;
    const reason = `the model needs ${Math.ceil(neededMiB)} MiB, and the largest allowed memory size is ${largestMiB} MiB`;
    const nothing = { considered: 0, evaluated: 0, feasible: 0 };
    const explanation = `Nothing was chosen: ${reason}.`;
    return { setting: settingOf(inForce), feasible: false, alternatives: [], arrivals: facts, candidates: nothing, reason, explanation };
  }
  const { candidates } = choice;
  const known = { arrivals: { ...facts, source: choice.source, notes: [...facts.notes, ...choice.notes] }, candidates };
  const reported = (chosen: BatchingAlternative, alternatives: readonly BatchingAlternative[]) => ({
    ...known,
    setting: settingOf(chosen),
    feasible: chosen.feasible,
    alternatives,
    explanation: explain({ ...choice, chosen, alternatives, nextCheaper: cheaperThan(chosen, choice) }, input),
  });
  const careful = facts.sampleCount === 0 && provided.kind === 'seen' ? carefulChoice(choice) : null;
  if (careful !== null) return { ...reported(...careful), reason: 'no traffic yet: the fastest, as it costs little more' };
  const current = choice.alternatives.find(({ label }) => label === 'current');
  const { changes, reason } = keepOrChange(choice);
  if (changes || !canKeepCurrent || current === undefined) {
    return { ...reported(choice.chosen, choice.alternatives), reason: reasonOf(choice, order) };
  }
  const retained = reported(current, withCurrentRetained(choice, current, reason));
  const why = current.feasible ? reason : reasonOf(choice, order);
  return { ...retained, reason: why, explanation: `${retained.explanation.replace(/\.$/, '')}; ${reason}.` };
}

/**
 * The next cheaper alternative, if it misses the objective: that explains why nothing cheaper was chosen. An alternative that was
 * rejected for its small gain explains nothing.
 */
function cheaperThan({ predicted }: BatchingAlternative, { nextCheaper }: Chosen): BatchingAlternative | null {
  return nextCheaper !== null && nextCheaper.predicted.costUsdPerMillion < predicted.costUsdPerMillion ? nextCheaper : null;
}

/** Before the first traffic, a faster setting can cost up to this factor more. */
const carefulCostFactor = 1.25;

/**
 * Without traffic, the cheapest memory may be only just fast enough, so the fastest is chosen if it costs about as much. Returns
 * null if the fastest is the cheapest, costs much more, or is not allowed.
 */
function carefulChoice({ reason, chosen, alternatives }: Chosen): [BatchingAlternative, BatchingAlternative[]] | null {
  const fastest = alternatives.find(({ label }) => label === 'fastest');
  if (reason !== 'cheapest' || fastest === undefined || !fastest.feasible || chosen.batchSizeMax > 1) return null;
  const [cost, least] = [fastest, chosen].map(({ predicted }) => predicted.costUsdPerMillion) as [number, number];
  if (cost > carefulCostFactor * least || JSON.stringify(settingOf(fastest)) === JSON.stringify(settingOf(chosen))) return null;
  const others = alternatives.filter(({ label }) => label !== 'chosen' && label !== 'runner-up');
  const cheapest = { ...chosen, label: 'runner-up' as const, rejectedBecause: 'cheaper, but slower, without traffic yet' };
  return [fastest, [{ ...fastest, label: 'chosen', rejectedBecause: null }, ...others, cheapest]];
}

/** The arrivals in two forms: as times to replay and as a process that describes them. */
function arrivalsOf(provided: ArrivalsInput): { readonly facts: ArrivalFacts; readonly arrivals: ChoiceInput['arrivals'] } {
  if (provided.kind === 'assumed') {
    const { ratePerSecond, scv, correlationDecay, indexOfDispersion } = arrivalStatistics(provided.process);
    const shape = { scv, correlationDecay, indexOfDispersion, sampleCount: 0, notes: [] };
    const facts: ArrivalFacts = { source: 'map', ratePerSecond, forecastRatePerSecond: null, ...shape };
    return { facts, arrivals: { recordedMs: new Float64Array(0), process: provided.process } };
  }
  const timesMs = neverFalling(provided.timesMs);
  const fit = fitMoments(gapsOf(timesMs));
  // If there are too few arrivals to be typical, arrivals are generated at their rate.
  const isPatternKnown = timesMs.length >= arrivalsForPattern || fit.process === null;
  const facts = factsOf(fit, timesMs.length);
  return { facts, arrivals: { recordedMs: isPatternKnown ? timesMs : new Float64Array(0), process: fit.process } };
}

function factsOf({ measured, statistics, notes }: ArrivalFit, count: number): ArrivalFacts {
  return {
    source: 'replay',
    ratePerSecond: statistics?.ratePerSecond ?? 0,
    forecastRatePerSecond: null,
    // A few gaps do not reveal a pattern, so Poisson arrivals are assumed.
    scv: statistics === null || count <= gapsForShape ? null : (measured?.scv ?? statistics.scv),
    correlationDecay: statistics?.correlationDecay ?? null,
    indexOfDispersion: statistics?.indexOfDispersion ?? null,
    sampleCount: count,
    notes: count === 0 ? ['No traffic yet: a single request is assumed.'] : notes,
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

/** Keeps the current setting. The new one becomes the runner-up, rejected for its small gain. */
function withCurrentRetained(
  { chosen, alternatives }: Chosen,
  current: BatchingAlternative,
  reason: string,
): readonly BatchingAlternative[] {
  const others = alternatives.filter(({ label }) => label !== 'chosen' && label !== 'runner-up');
  const isSame = JSON.stringify(settingOf(chosen)) === JSON.stringify(settingOf(current));
  const runnerUp = isSame ? alternatives.filter(({ label }) => label === 'runner-up') : [{ ...chosen, label: 'runner-up' as const }];
  const refused = runnerUp.map((other) => ({ ...other, rejectedBecause: other.rejectedBecause ?? reason }));
  return [{ ...current, label: 'chosen', rejectedBecause: null }, ...others, ...refused];
}

function reasonOf({ reason, chosen, missesByMs }: Chosen, { objective, marginMs }: Pick<ChoiceRequest, 'objective' | 'marginMs'>): string {
  if (objective === null) return 'no objective: no request is delayed';
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
