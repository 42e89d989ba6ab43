/**
 * The cheapest setting (memory size, batch size, wait) that meets an objective: min cost over all settings with F(SLO − margin) ≥
 * q. Evaluating the latency distribution once decides whether a setting meets the objective. Quantiles need a search, so they are
 * computed only for reported settings.
 */
import { exactTable } from '../waits/exact-model.ts';
import {
  alternativeOf,
  cheaperOf,
  fastestOf,
  isSameCandidate,
  noBatchingOf,
  type PredictedCandidate,
  Predictor,
  runnerUpOf,
} from './alternatives.ts';
import type { Alternative, BatchChoiceResult, BatchSettings, ChoiceInput, Chosen, NothingFits } from './choice.ts';
import { formatExtraCost, sharePromisedText } from './format.ts';
import { fittingPoints, type MemoryOption, memoryOptions } from './memory-option.ts';
import { paperSearchSpace } from './paper-solver.ts';
import { type Candidate, meetsTarget, type SearchResult, type SearchSpace, search } from './search.ts';
import { effectivePolicy, type PromisedLatency, promisedLatencyOf, searchSpaceFor, shareInTime, Waits } from './search-space.ts';

/** The exact model verifies each winner from an interpolated table. After this many rejected winners, the next is accepted unverified. */
const verificationsMax = 8;

/** Pure, but too long for an event loop: servers run it in a thread. */
export function choose(input: ChoiceInput): BatchChoiceResult {
  const promised = promisedLatencyOf(input);
  const options = memoryOptions(input.profiles, input.price, promised.quantile > 0 ? promised.quantile : 0.95);
  if (options.length === 0) return nothingFits(input);
  const waits = new Waits(input, options, promised.limitMs);
  const space = searchSpaceFor(input, waits, promised);
  const latencyMs = input.objective?.latencyMs ?? Number.POSITIVE_INFINITY;
  return new Chooser(input, options, promised, space, new Predictor(space, promised, latencyMs)).choose();
}

function nothingFits({ profiles }: ChoiceInput): NothingFits {
  const neededMiB = profiles.flatMap(({ points }) =>
    points.filter(({ batchSize }) => batchSize === 1).map(({ peakMemoryMiB }) => peakMemoryMiB),
  );
  return {
    kind: 'nothing-fits',
    neededMiB: neededMiB.length === 0 ? 0 : Math.min(...neededMiB),
    largestMiB: Math.max(0, ...profiles.map(({ memoryMiB }) => memoryMiB)),
  };
}

class Chooser {
  readonly #input: ChoiceInput;
  readonly #all: readonly MemoryOption[];
  /** Without memory sizes that cost more than a smaller size but have the same service times. */
  readonly #options: readonly MemoryOption[];
  readonly #promised: PromisedLatency;
  readonly #space: SearchSpace;
  readonly #predictor: Predictor;

  constructor(input: ChoiceInput, options: readonly MemoryOption[], promised: PromisedLatency, space: SearchSpace, predictor: Predictor) {
    this.#input = input;
    this.#all = options;
    this.#options = options.filter(({ isDominated }) => !isDominated);
    this.#promised = promised;
    this.#space = space;
    this.#predictor = predictor;
  }

  choose(): Chosen {
    const current = candidateOf(this.#input.current, this.#all);
    const found = this.#search(current);
    const unbatched = this.#unbatched();
    const fastest = fastestOf(unbatched);
    const chosen = found.best === null ? this.#closest(found, fastest) : this.#predictor.of(found.best);
    const cheaper = cheaperOf(found, found.best?.costUsdPerMillion ?? chosen.prediction.costUsdPerMillion);
    const nextCheaper = cheaper.nearest === null ? null : this.#predictor.of(cheaper.nearest);
    const others: [Alternative['label'], Candidate | null][] = [
      ['current', current],
      ['no-batching', noBatchingOf(unbatched)],
      ['runner-up', found.best === null ? null : runnerUpOf(found, found.best, this.#space)],
      ['cheapest-infeasible', cheaper.cheapest],
      ['fastest', fastest],
    ];
    const { considered, evaluated, feasible } = found;
    return {
      kind: 'chosen',
      reason: this.#reason(chosen, found.best !== null),
      chosen: alternativeOf('chosen', chosen, null),
      missesByMs: chosen.feasible ? 0 : this.#predictor.quantileMs(chosen, this.#promised.quantile) - this.#promised.limitMs,
      alternatives: [
        alternativeOf('chosen', chosen, null),
        ...others.flatMap(([label, other]) => (other === null ? [] : [this.#alternative(label, this.#predictor.of(other), chosen)])),
      ],
      nextCheaper: nextCheaper === null ? null : this.#alternative('cheapest-infeasible', nextCheaper, chosen),
      candidates: { considered, evaluated, feasible },
      source: chosen.table.source,
      notes: this.#notes(chosen),
    };
  }

  /** Finds the cheapest feasible setting. Only tables of fixed waits are interpolated, so only their winners are verified. */
  #search(current: Candidate | null): SearchResult {
    const { process } = this.#input.arrivals;
    const policy = effectivePolicy(this.#input);
    const space = policy.kind === 'batch-paper' ? paperSearchSpace(this.#space, this.#input, this.#promised) : this.#space;
    const start = current !== null && !current.option.isDominated && isOf(space, current) ? current : null;
    const excluded: Candidate[] = [];
    for (;;) {
      const found = search(space, this.#options, start, (candidate) => excluded.some((other) => isSameCandidate(other, candidate)));
      const { best } = found;
      if (best === null || policy.kind !== 'batch' || process === null || excluded.length >= verificationsMax) return found;
      const { option, batchSizeMax, waitMsMax } = best;
      const table = exactTable(process, { batchSizeMax, waitMsMax: waitMsMax ?? 0 });
      if (meetsTarget(shareInTime(table, option, this.#promised), this.#promised.quantile)) return found;
      excluded.push(best);
    }
  }

  #unbatched(): PredictedCandidate[] {
    const waitMsMax = this.#space.waitsMs[0] === null ? null : 0;
    return this.#options.map((option) => this.#predictor.of({ option, batchSizeMax: 1, waitMsMax }));
  }

  /**
   * The setting that comes closest if none meets the objective. A configured batch size and wait do not change.
   */
  #closest({ refused }: SearchResult, fastest: PredictedCandidate): PredictedCandidate {
    const isFixed = effectivePolicy(this.#input).kind === 'fixed';
    let best: SearchResult['refused'][number] | null = null;
    for (const other of refused) if (best === null || other.shareInTime > best.shareInTime) best = other;
    if (best === null || (!isFixed && best.shareInTime <= fastest.shareInTime + 1e-12)) return fastest;
    return this.#predictor.of(best);
  }

  #reason(chosen: PredictedCandidate, isFound: boolean): Chosen['reason'] {
    if (this.#input.policy.kind === 'fixed') return 'given';
    if (this.#input.objective === null) return 'no-objective';
    if (this.#input.policy.kind === 'batch-paper' && isFound) return 'approximation';
    return chosen.feasible ? 'cheapest' : 'slo-unreachable';
  }

  #alternative(label: Alternative['label'], other: PredictedCandidate, chosen: PredictedCandidate): Alternative {
    return alternativeOf(label, other, isSameCandidate(other, chosen) ? null : this.#rejection(other, chosen));
  }

  #rejection(other: PredictedCandidate, chosen: PredictedCandidate): string {
    if (!other.feasible) return sharePromisedText(other.shareInTime, this.#input);
    if (this.#input.policy.kind === 'fixed' && other.batchSizeMax !== chosen.batchSizeMax) return 'batch size and wait are configured';
    const extraShare = other.prediction.costUsdPerMillion / chosen.prediction.costUsdPerMillion - 1;
    if (Math.abs(extraShare) < 1e-9) return 'costs the same';
    return extraShare > 0 ? formatExtraCost(extraShare) : 'the policy does not choose it';
  }

  #notes({ batchSizeMax }: Pick<BatchSettings, 'batchSizeMax'>): string[] {
    const { profiles, policy } = this.#input;
    const notes: string[] = [];
    const fitting = profiles.filter((profile) => fittingPoints(profile).length > 0);
    const tooSmall = profiles.filter((profile) => !fitting.includes(profile)).map(({ memoryMiB }) => `${memoryMiB} MiB`);
    if (tooSmall.length > 0) notes.push(`The model does not fit into ${tooSmall.join(', ')}.`);
    if (fitting.length > 1 && this.#options.length === 1) {
      notes.push('Service times are the same at every memory size, so the smallest that fits is the cheapest.');
    }
    if (policy.kind === 'fixed' && policy.batchSizeMax > batchSizeMax) {
      notes.push(
        `Batches of ${policy.batchSizeMax} rows are configured, but none above ${batchSizeMax} was measured: larger ones are not formed.`,
      );
    }
    return notes;
  }
}

/** The setting in force as a candidate; null if its memory size is no longer available or its batch size was not measured. */
function candidateOf(setting: BatchSettings | null, options: readonly MemoryOption[]): Candidate | null {
  const option = options.find(({ memoryMiB }) => memoryMiB === setting?.memoryMiB);
  if (setting === null || option === undefined || setting.batchSizeMax > option.batchSizeMax) return null;
  return { option, batchSizeMax: setting.batchSizeMax, waitMsMax: setting.waitMsMax };
}

/** Whether the setting lies within the search space, which must have more than one batch size. */
function isOf(space: SearchSpace, { batchSizeMax, waitMsMax }: Candidate): boolean {
  const isKind = (waitMsMax === null) === (space.waitsMs[0] === null);
  return isKind && batchSizeMax >= space.batchSizeMin && batchSizeMax <= space.batchSizeMax && space.batchSizeMin < space.batchSizeMax;
}
