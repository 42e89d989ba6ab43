/**
 * The plans of a variant of a selection: which of them a batch gets, and which rows and costs they had. Synchronous, so that the simulator
 * can run it.
 */
import assert from 'node:assert/strict';
import { type LadderConfig, type LadderRung, ladderKey, planAlone } from '../deployment/index.ts';
import { PlatformError } from '../errors.ts';
import { AccuracyCredit, chooseRung, type RungMoment } from '../queueing/index.ts';
import { type RowStages, stages } from '../runtime/index.ts';
import type { Executor, MissingLadderModel } from './executor.ts';
import type { BatchRung, PlanBounds } from './plans/batch-plan.ts';
import type { PlanPreference } from './plans/plan-preference.ts';

/** Counters of one plan since its ladder was made; they only grow. */
export interface RungCounts {
  batches: number;
  rows: number;
  /** Rows that went on to the second model. */
  escalated: number;
  /** The rows on which it failed. */
  escalationsFailed: number;
  /** Rows that did not go on and were compared with the most accurate plan, and those on which the two disagree. */
  compared: number;
  disagreed: number;
}

/** Answered requests that were run again in idle time under another plan. */
export interface ShadowCounts {
  /** Requests whose answers were compared, and their rows. */
  calls: number;
  rows: number;
  /** Sampled requests that found no idle time, or whose run failed. */
  dropped: number;
  /** Idle time that was used. */
  ms: number;
}

/** Rows on which a challenger ran in idle time, since the variant is served. */
export interface ChallengeCounts {
  rows: number;
  /** Rows that it answers otherwise than its incumbent. */
  disagreed: number;
  /** Runs that failed, and workers that crashed meanwhile. */
  failed: number;
  crashes: number;
}

/** Rows that a model ran, and their cost in US dollars. */
export interface ModelCounts {
  rows: number;
  usd: number;
}

/** A model of a ladder that workers could not load. */
export interface UnloadedModel extends MissingLadderModel {
  readonly workers: number;
}

/** A ladder with its counts since the variant is served. */
export interface LadderView {
  readonly config: LadderConfig;
  /** In the order of the rungs. */
  readonly rungs: readonly Readonly<RungCounts>[];
  readonly models: ReadonlyMap<string, Readonly<ModelCounts>>;
  /** Null unless plans below the floor are allowed. */
  readonly creditRows: number | null;
  /** Requests that were run again in idle time. */
  readonly shadows: Readonly<ShadowCounts>;
  readonly challenge: Readonly<ChallengeCounts>;
}

/** The models that some of the executors could not load. */
export function unloadedIn(executors: readonly Executor[]): readonly UnloadedModel[] {
  const found = new Map<string, UnloadedModel>();
  for (const { worker } of executors) {
    for (const { model, reason } of worker.missingModels?.() ?? []) {
      found.set(model, { model, reason, workers: (found.get(model)?.workers ?? 0) + 1 });
    }
  }
  return [...found.values()];
}

/** Survives a change of the floor; other plans get a ladder of their own, with counters from zero. */
export class Ladder {
  readonly shadows: ShadowCounts = { calls: 0, rows: 0, dropped: 0, ms: 0 };
  readonly challenge: ChallengeCounts = { rows: 0, disagreed: 0, failed: 0, crashes: 0 };
  #config: LadderConfig;
  #credit: AccuracyCredit | null;
  readonly #counts: readonly RungCounts[];
  readonly #models: ReadonlyMap<string, ModelCounts>;

  constructor(config: LadderConfig) {
    const { rungs, models } = config;
    this.#config = config;
    this.#credit = creditOf(config);
    this.#counts = rungs.map(() => ({ batches: 0, rows: 0, escalated: 0, escalationsFailed: 0, compared: 0, disagreed: 0 }));
    this.#models = new Map(models.map((model) => [model, { rows: 0, usd: 0 }]));
  }

  get config(): LadderConfig {
    return this.#config;
  }

  /** Takes over how the same plans were chosen, and whether those below the floor may answer. */
  configure(config: LadderConfig): void {
    assert.equal(ladderKey(config), ladderKey(this.#config), 'other plans get a ladder of their own');
    const { floor, creditRowsMax } = this.#config;
    if (config.floor !== floor || config.creditRowsMax !== creditRowsMax) this.#credit = creditOf(config);
    this.#config = config;
  }

  get view(): LadderView {
    const { config, shadows, challenge } = this;
    return { config, rungs: this.#counts, models: this.#models, creditRows: this.#credit?.rows ?? null, shadows, challenge };
  }

  get top(): number {
    return this.config.rungs.length - 1;
  }

  /** The plans of a challenge: that of the challenger, and that of its incumbent unless clients get its answers from this rung. */
  challengePlans(servedRung: number): readonly number[] {
    const { challenger } = this.#config;
    const plan = challenger === undefined ? null : planAlone(this.#config, challenger.model);
    if (challenger === undefined || plan === null) return [];
    const incumbent = challenger.incumbent === null ? null : planAlone(this.#config, challenger.incumbent);
    return incumbent === null || incumbent === servedRung ? [plan] : [plan, incumbent];
  }

  /** Whether the executor has loaded the challenger. */
  canChallenge({ worker }: Executor): boolean {
    const { challenger } = this.#config;
    const missing = worker.missingModels?.() ?? [];
    return missing.every(({ model }) => model !== challenger?.model && model !== challenger?.incumbent);
  }

  /** Whether one plan answers everything, so that there is nothing to choose. */
  get isAlone(): boolean {
    return this.#config.rungs.length === 1;
  }

  /** The plans that a request accepts. Throws `invalid_request` if none is so accurate. */
  boundsFor(preference: PlanPreference, endpoint: string): PlanBounds {
    const { floorRung, rungs } = this.config;
    if (preference === 'accuracy') return { from: this.top, to: this.top };
    if (preference === 'cost') return { from: floorRung, to: floorRung };
    const { accuracyMin } = preference;
    const from = rungs.findIndex(({ accuracy }) => accuracy >= accuracyMin);
    if (from !== -1) return { from: Math.max(from, floorRung), to: this.top };
    const most = Math.max(...rungs.map(({ accuracy }) => accuracy));
    throw new PlatformError('invalid_request', `${endpoint} reaches accuracy ${most.toFixed(4)} at most, asked ${accuracyMin}`);
  }

  /** The cheapest plan that a full batch may have now: executors are judged by it. */
  baseFor(executor: Executor): number {
    const { floorRung } = this.config;
    if (this.#credit === null) return this.runnable(executor, floorRung);
    const full = executor.rungs();
    const lowest = full.findIndex(({ batchSizeMax }, rung) => this.canRun(executor, rung) && this.#allows(rung, batchSizeMax));
    return this.runnable(executor, lowest === -1 ? floorRung : lowest);
  }

  /** Whether the executor has loaded the models of a plan. */
  canRun({ worker }: Executor, rung: number): boolean {
    const missing = worker.missingModels?.() ?? [];
    if (missing.length === 0) return true;
    const { first, second } = this.#rung(rung);
    return missing.every(({ model }) => model !== first && model !== second);
  }

  /** A plan, or if the executor lacks one of its models, the next more accurate one that it can run; the most accurate one if there is none. */
  runnable(executor: Executor, rung: number): number {
    if (this.canRun(executor, rung)) return rung;
    for (let next = rung + 1; next <= this.top; next++) if (this.canRun(executor, next)) return next;
    for (let next = rung - 1; next >= 0; next--) if (this.canRun(executor, next)) return next;
    return rung;
  }

  /** The plan of a batch of requests that can be in time. */
  choose(executor: Executor, moment: RungMoment, bounds: PlanBounds | null): BatchRung {
    const full = executor.rungs();
    const isAllowed = (rung: number): boolean => {
      if (!this.canRun(executor, rung)) return false;
      if (bounds !== null) return rung >= bounds.from && rung <= bounds.to;
      const { batchSizeMax = 1 } = full[rung] ?? {};
      return (rung === executor.base || executor.isKnown(rung)) && this.#allows(rung, Math.min(batchSizeMax, moment.rowsWaiting));
    };
    const { rung, heldBack } = chooseRung(full, moment, isAllowed);
    return { rung: this.runnable(executor, rung), heldBack, rowsWaiting: moment.rowsWaiting };
  }

  /** A batch was dispatched. */
  dispatched(rung: number, rows: number): void {
    this.#credit?.count(this.#rung(rung).accuracy, rows);
  }

  /** Rows of a plan were compared with the most accurate one. */
  compared(rung: number, rows: number, disagreed: number): void {
    const counts = this.#counts[rung] as RungCounts;
    counts.compared += rows;
    counts.disagreed += disagreed;
  }

  /** A run under a plan was answered, and cost `usd`. */
  answered(rung: number, { stage, firstMs, secondMs }: Omit<RowStages, 'confidence'>, usd: number): void {
    const { first, second } = this.#rung(rung);
    const counts = this.#counts[rung] as RungCounts;
    const rows = stage.length;
    let [wentOn, failed] = [0, 0];
    for (let row = 0; second !== null && row < rows; row++) {
      if (stage[row] === stages.second) wentOn++;
      if (stage[row] === stages.failed) failed++;
    }
    counts.batches++;
    counts.rows += rows;
    counts.escalated += wentOn + failed;
    counts.escalationsFailed += failed;
    const totalMs = firstMs + secondMs;
    const secondUsd = totalMs > 0 ? usd * (secondMs / totalMs) : 0;
    this.#count(first, rows - wentOn, usd - secondUsd);
    if (second !== null) this.#count(second, wentOn, secondUsd);
  }

  #rung(rung: number): LadderRung {
    return this.config.rungs[rung] as LadderRung;
  }

  #allows(rung: number, rows: number): boolean {
    return rung >= this.config.floorRung || this.#credit?.allows(this.#rung(rung).accuracy, rows) === true;
  }

  #count(model: string, rows: number, usd: number): void {
    const counts = this.#models.get(model);
    if (counts === undefined) return;
    counts.rows += rows;
    counts.usd += usd;
  }
}

/** Null if no plan is below the floor. */
function creditOf({ floor, floorRung, creditRowsMax }: LadderConfig): AccuracyCredit | null {
  return floor === null || floorRung === 0 ? null : new AccuracyCredit(floor, creditRowsMax);
}
