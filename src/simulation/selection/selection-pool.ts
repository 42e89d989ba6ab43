/**
 * The instances of a simulated selection and their queue: first in, first out, requests of one row. A free instance takes a batch at once;
 * which plan answers it is decided by the rule that serves (`chooseRung`), or by a rival's.
 */
import { AccuracyCredit, chooseRung, type NextArrival, predictCompletionMs, shadowWaitMs } from '../../queueing/index.ts';
import type { Random } from '../../random.ts';
import { minimumMarginMs, type VariantPool } from '../../serving/index.ts';
import { type EventLoop, eventKind } from '../simulated/event-loop.ts';
import type { PlanLaw } from './plan-law.ts';
import { RowQueue } from './row-queue.ts';
import type { SelectionFunctions } from './selection-functions.ts';
import type { SelectionMeasures } from './selection-measures.ts';
import type { ServingRule } from './selection-spec.ts';

/** What the pool shares with the simulation. */
export interface SelectionPoolDeps {
  readonly loop: EventLoop;
  readonly random: Random;
  readonly measures: SelectionMeasures;
  readonly rule: ServingRule;
  /** Of the plans of the rule, in its order. */
  readonly laws: readonly PlanLaw[];
  /** The plan by which completion is predicted for admission: the one that instances are sized for. */
  readonly admission: PlanLaw;
  readonly functions: SelectionFunctions | null;
  readonly latencyMs: number;
  readonly overheadMs: number;
  /** The most credit that is saved up for rungs below the floor, in rows. */
  readonly creditMax: number;
  /** Answered rows that run again under the most accurate rung while an instance is idle. Null: none. */
  readonly shadows: { readonly share: number; readonly random: Random } | null;
}

/** Sampled rows that wait for idle time, as in serving. */
const shadowsMax = 64;

type Attached = Parameters<VariantPool['attach']>[0];

interface PoolInstance {
  readonly worker: Attached;
  /** For a periodic rule: its plan until the next period. */
  assigned: number;
  isBusy: boolean;
  /** When it is free, as predicted. */
  freeAtMs: number;
  drained: (() => void) | null;
}

/** Has the methods of a `VariantPool` that a simulated fleet calls. */
export class SelectionPool implements Pick<VariantPool, 'attach' | 'detach' | 'drain'> {
  /** Duration of the batch that is being started. */
  batchMs = 0;
  readonly #deps: SelectionPoolDeps;
  readonly #queue = new RowQueue();
  readonly #instances = new Map<string, PoolInstance>();
  readonly #credit: AccuracyCredit | null;
  readonly #marginMs: number;
  #arrivedAtMs = Number.NEGATIVE_INFINITY;
  #shadowsWaiting = 0;
  #isShadowDue = false;
  /** Rows that ran again. */
  shadowed = 0;

  constructor(deps: SelectionPoolDeps) {
    this.#deps = deps;
    const { rule, creditMax, latencyMs } = deps;
    this.#credit = rule.kind === 'ladder' && rule.floor !== null ? new AccuracyCredit(rule.floor, creditMax) : null;
    this.#marginMs = minimumMarginMs(latencyMs);
  }

  get waiting(): number {
    return this.#queue.length;
  }

  attach(worker: Attached): void {
    this.#instances.set(worker.id, { worker, assigned: 0, isBusy: false, freeAtMs: 0, drained: null });
    this.#pump();
  }

  detach(workerId: string): void {
    this.#instances.delete(workerId);
  }

  drain(workerId: string): Promise<void> {
    const instance = this.#instances.get(workerId);
    if (instance === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      instance.drained = resolve;
      if (!instance.isBusy) resolve();
    });
  }

  /** Gives each instance a plan, until the next call. `plans` has one index for each active instance. */
  assign(plans: (instances: number) => readonly number[]): void {
    const active = [...this.#instances.values()].filter(({ drained }) => drained === null);
    const assigned = plans(active.length);
    for (const [i, instance] of active.entries()) instance.assigned = assigned[i] ?? 0;
  }

  arrive(row: number): void {
    const { loop, functions, latencyMs } = this.#deps;
    const nowMs = loop.nowMs();
    this.#arrivedAtMs = nowMs;
    if (functions !== null && this.#isTooLate(nowMs)) functions.take(nowMs, row, nowMs + latencyMs - this.#marginMs);
    else {
      this.#queue.push(nowMs, row);
      this.#pump();
    }
  }

  /** Whether the instances would answer a row that arrives now too late, under the plan they are sized for. */
  #isTooLate(nowMs: number): boolean {
    const { admission, overheadMs, latencyMs } = this.#deps;
    const residualMs = this.#residualMs(nowMs, null);
    if (this.#queue.length === 0 && residualMs.includes(0)) return false;
    const { batch, fullMs } = admission.plan;
    const servers = residualMs.map((residual) => ({ residualMs: residual, batchSizeMax: batch, fullBatchMs: fullMs }));
    return predictCompletionMs(servers, this.#queue.length) + overheadMs > latencyMs - this.#marginMs;
  }

  /** Times until the active instances are free; `taker` is. */
  #residualMs(nowMs: number, taker: PoolInstance | null): number[] {
    const residualMs: number[] = [];
    for (const instance of this.#instances.values()) {
      if (instance.drained !== null && instance !== taker) continue;
      residualMs.push(instance === taker || !instance.isBusy ? 0 : Math.max(1e-3, instance.freeAtMs - nowMs));
    }
    return residualMs;
  }

  #pump(): void {
    for (const instance of this.#instances.values()) {
      if (this.#queue.length === 0) return;
      if (!instance.isBusy && instance.drained === null) this.#start(instance);
    }
  }

  #start(instance: PoolInstance): void {
    const { loop, random, measures, laws, overheadMs } = this.#deps;
    const nowMs = loop.nowMs();
    const law = laws[this.#planFor(instance, nowMs)] as PlanLaw;
    const rows = Math.min(this.#queue.length, law.plan.batch);
    let goOn = 0;
    for (let i = 0; i < rows; i++) goOn += law.goesOn[this.#queue.row(i)] as number;
    this.batchMs = law.drawMs(random, rows, goOn);
    instance.isBusy = true;
    instance.freeAtMs = nowMs + law.quantileMs(rows);
    instance.worker.run([], () => this.#freed(instance));
    const latencyMs = nowMs + this.batchMs + overheadMs;
    for (let i = 0; i < rows; i++) measures.answered(law, this.#queue.row(i), latencyMs - this.#queue.arrivedAtMs(i));
    measures.ran(law, rows);
    this.#credit?.count(law.plan.accuracy, rows);
    this.#queue.remove(rows);
    this.#sampleShadows(rows);
  }

  #planFor(instance: PoolInstance, nowMs: number): number {
    const { rule, laws, latencyMs, overheadMs } = this.#deps;
    if (rule.kind === 'plan') return 0;
    if (rule.kind === 'periodic') return instance.assigned;
    const waiting = this.#queue.length;
    const rungs = laws.map(({ plan }) => ({ batchSizeMax: plan.batch, fullBatchMs: plan.fullMs }));
    const moment = {
      residualMs: this.#residualMs(nowMs, instance),
      rowsWaiting: waiting,
      headLeftMs: this.#queue.arrivedAtMs(0) + latencyMs - nowMs,
      lastLeftMs: this.#queue.arrivedAtMs(waiting - 1) + latencyMs - nowMs,
      marginMs: 0.1 * latencyMs,
      overheadMs,
      ...(this.#deps.functions === null ? {} : { next: this.#nextArrival(waiting) }),
    };
    const isAllowed = (rung: number): boolean => {
      const { accuracy, batch } = (laws[rung] as PlanLaw).plan;
      return this.#credit?.allows(accuracy, Math.min(waiting, batch)) ?? true;
    };
    return chooseRung(rungs, moment, isAllowed).rung;
  }

  #nextArrival(waiting: number): NextArrival {
    const { laws, latencyMs } = this.#deps;
    const batchMs = (rung: number): number => {
      const law = laws[rung] as PlanLaw;
      return law.quantileMs(Math.min(waiting, law.plan.batch));
    };
    return { leftMs: latencyMs - this.#marginMs, batchMs };
  }

  #freed(instance: PoolInstance): void {
    instance.isBusy = false;
    instance.drained?.();
    this.#pump();
    this.#runShadows();
  }

  #sampleShadows(rows: number): void {
    const { shadows } = this.#deps;
    if (shadows === null) return;
    for (let row = 0; row < rows; row++) {
      if (shadows.random.next() < shadows.share) this.#shadowsWaiting = Math.min(shadowsMax, this.#shadowsWaiting + 1);
    }
  }

  /** By the rule that serves. */
  #runShadows(): void {
    const { shadows, loop, laws, admission, latencyMs, overheadMs } = this.#deps;
    if (shadows === null) return;
    const nowMs = loop.nowMs();
    const best = laws.at(-1) as PlanLaw;
    while (this.#shadowsWaiting > 0) {
      const idle = [...this.#instances.values()].filter(({ isBusy, drained }) => !isBusy && drained === null);
      const [instance] = idle;
      if (instance === undefined) return;
      const waitMs = shadowWaitMs({
        rowsWaiting: this.#queue.length,
        othersIdle: idle.length - 1,
        shadowMs: best.quantileMs(1),
        requestMs: admission.quantileMs(1),
        quietMs: nowMs - this.#arrivedAtMs,
        limitMs: latencyMs - this.#marginMs - overheadMs,
      });
      if (waitMs > 0) return this.#runShadowsIn(waitMs);
      this.#shadowsWaiting--;
      this.shadowed++;
      this.batchMs = best.drawMs(shadows.random, 1, 0);
      instance.isBusy = true;
      instance.freeAtMs = nowMs + best.quantileMs(1);
      instance.worker.run([], () => this.#freed(instance));
    }
  }

  #runShadowsIn(waitMs: number): void {
    if (this.#isShadowDue || waitMs === Number.POSITIVE_INFINITY) return;
    this.#isShadowDue = true;
    const { loop } = this.#deps;
    loop.at(loop.nowMs() + waitMs, eventKind.timer, () => {
      this.#isShadowDue = false;
      this.#runShadows();
    });
  }
}
