/**
 * The cheapest setting (memory size, batch size, wait) that keeps a promise: min cost over all settings with
 * F(SLO − margin) ≥ q. One evaluation of the latency distribution tells whether a setting keeps it; no quantile is
 * searched for but those of the settings that are reported.
 */
import {
  alternativeOf,
  cheaperOf,
  fastestOf,
  isSameCandidate,
  noBatchingOf,
  type Predicted,
  Predictor,
  runnerUpOf,
} from './alternatives.ts';
import type { Alternative, Choice, ChoiceInput, Chosen, NothingFits, Setting } from './choice.ts';
import { exactTable } from './exact-model.ts';
import { groundFor, type Promised, policyInForce, promisedOf, shareInTime, Waits } from './ground.ts';
import { fittingPoints, type MemoryOption, memoryOptions } from './memory-option.ts';
import { paperGround } from './paper-ground.ts';
import { type Candidate, type Found, type Ground, reaches, search } from './search.ts';
import { dearerText, sharePromisedText } from './wording.ts';

/** Interpolated tables are checked by the exact model; so often another winner is looked for. */
const verificationsMax = 8;

export function choose(input: ChoiceInput): Choice {
  const promised = promisedOf(input);
  const options = memoryOptions(input.profiles, input.price, promised.quantile > 0 ? promised.quantile : 0.95);
  if (options.length === 0) return nothingFits(input);
  const waits = new Waits(input, options, promised.limitMs);
  const ground = groundFor(input, waits, promised);
  const latencyMs = input.objective?.latencyMs ?? Number.POSITIVE_INFINITY;
  return new Choosing(input, options, promised, ground, new Predictor(ground, promised, latencyMs)).choose();
}

function nothingFits({ profiles }: ChoiceInput): NothingFits {
  const needs = profiles.flatMap(({ points }) =>
    points.filter(({ batchSize }) => batchSize === 1).map(({ peakMemoryMiB }) => peakMemoryMiB),
  );
  return {
    kind: 'nothing-fits',
    neededMiB: needs.length === 0 ? 0 : Math.min(...needs),
    largestMiB: Math.max(0, ...profiles.map(({ memoryMiB }) => memoryMiB)),
  };
}

class Choosing {
  readonly #input: ChoiceInput;
  readonly #all: readonly MemoryOption[];
  /** Those that a smaller one does not do the same for less. */
  readonly #options: readonly MemoryOption[];
  readonly #promised: Promised;
  readonly #ground: Ground;
  readonly #predictor: Predictor;

  constructor(input: ChoiceInput, options: readonly MemoryOption[], promised: Promised, ground: Ground, predictor: Predictor) {
    this.#input = input;
    this.#all = options;
    this.#options = options.filter(({ isDominated }) => !isDominated);
    this.#promised = promised;
    this.#ground = ground;
    this.#predictor = predictor;
  }

  choose(): Chosen {
    const current = candidateOf(this.#input.current, this.#all);
    const found = this.#search(current);
    const unbatched = this.#unbatched();
    const fastest = fastestOf(unbatched);
    const chosen = found.best === null ? this.#leastLate(found, fastest) : this.#predictor.of(found.best);
    const cheaper = cheaperOf(found, found.best?.costUsdPerMillion ?? chosen.prediction.costUsdPerMillion);
    const nextCheaper = cheaper.nearest === null ? null : this.#predictor.of(cheaper.nearest);
    const others: [Alternative['label'], Candidate | null][] = [
      ['current', current],
      ['no-batching', noBatchingOf(unbatched)],
      ['runner-up', found.best === null ? null : runnerUpOf(found, found.best, this.#ground)],
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

  /** Only fixed waits come from tables that are interpolated; a winner that the exact model refuses is put aside. */
  #search(current: Candidate | null): Found {
    const { process } = this.#input.arrivals;
    const policy = policyInForce(this.#input);
    const ground = policy.kind === 'batch-paper' ? paperGround(this.#ground, this.#input, this.#promised) : this.#ground;
    const start = current !== null && !current.option.isDominated && isOf(ground, current) ? current : null;
    const putAside: Candidate[] = [];
    for (;;) {
      const found = search(ground, this.#options, start, (candidate) => putAside.some((other) => isSameCandidate(other, candidate)));
      const { best } = found;
      if (best === null || policy.kind !== 'batch' || process === null || putAside.length >= verificationsMax) return found;
      const { option, batchSizeMax, waitMsMax } = best;
      const table = exactTable(process, { batchSizeMax, waitMsMax: waitMsMax ?? 0 });
      if (reaches(shareInTime(table, option, this.#promised), this.#promised.quantile)) return found;
      putAside.push(best);
    }
  }

  #unbatched(): Predicted[] {
    const waitMsMax = this.#ground.waitsMs[0] === null ? null : 0;
    return this.#options.map((option) => this.#predictor.of({ option, batchSizeMax: 1, waitMsMax }));
  }

  /** Where nothing keeps the promise: what breaks it least; where a setting is given, that, in its least late memory. */
  #leastLate({ refused }: Found, fastest: Predicted): Predicted {
    const isGiven = policyInForce(this.#input).kind === 'fixed';
    let best: Found['refused'][number] | null = null;
    for (const other of refused) if (best === null || other.shareInTime > best.shareInTime) best = other;
    if (best === null || (!isGiven && best.shareInTime <= fastest.shareInTime + 1e-12)) return fastest;
    return this.#predictor.of(best);
  }

  #reason(chosen: Predicted, isFound: boolean): Chosen['reason'] {
    if (this.#input.policy.kind === 'fixed') return 'given';
    if (this.#input.objective === null) return 'no-objective';
    if (this.#input.policy.kind === 'batch-paper' && isFound) return 'approximation';
    return chosen.feasible ? 'cheapest' : 'slo-unreachable';
  }

  #alternative(label: Alternative['label'], other: Predicted, chosen: Predicted): Alternative {
    return alternativeOf(label, other, isSameCandidate(other, chosen) ? null : this.#rejection(other, chosen));
  }

  #rejection(other: Predicted, chosen: Predicted): string {
    if (!other.feasible) return sharePromisedText(other.shareInTime, this.#input);
    if (this.#input.policy.kind === 'fixed' && other.batchSizeMax !== chosen.batchSizeMax) return 'batch size and wait are given';
    const dearer = other.prediction.costUsdPerMillion / chosen.prediction.costUsdPerMillion - 1;
    if (Math.abs(dearer) < 1e-9) return 'costs the same';
    return dearer > 0 ? dearerText(dearer) : 'the policy does not choose it';
  }

  #notes({ batchSizeMax }: Pick<Setting, 'batchSizeMax'>): string[] {
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
        `Batches of ${policy.batchSizeMax} rows are asked for, and none above ${batchSizeMax} was measured: larger ones are not formed.`,
      );
    }
    return notes;
  }
}

/** The setting in force as a candidate; null where its memory size is no longer to be chosen or its batch size was not measured. */
function candidateOf(setting: Setting | null, options: readonly MemoryOption[]): Candidate | null {
  const option = options.find(({ memoryMiB }) => memoryMiB === setting?.memoryMiB);
  if (setting === null || option === undefined || setting.batchSizeMax > option.batchSizeMax) return null;
  return { option, batchSizeMax: setting.batchSizeMax, waitMsMax: setting.waitMsMax };
}

/** Whether the search would come to a setting of this kind. */
function isOf(ground: Ground, { batchSizeMax, waitMsMax }: Candidate): boolean {
  const isKind = (waitMsMax === null) === (ground.waitsMs[0] === null);
  return isKind && batchSizeMax >= ground.batchSizeMin && batchSizeMax <= ground.batchSizeMax && ground.batchSizeMin < ground.batchSizeMax;
}
