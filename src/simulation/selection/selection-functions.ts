/**
 * Functions beside a simulated selection. They answer rows that the instances cannot answer in time, with the plan that the instances are
 * sized for. Batches are held open by the rule that serves (`slack`).
 */
import { functionUsd } from '../../costs/index.ts';
import { type HoldPolicy, leavesAtMs, type OpenBatch, onArrival } from '../../queueing/index.ts';
import type { Random } from '../../random.ts';
import { type EventLoop, eventKind } from '../simulated/event-loop.ts';
import type { PlanLaw } from './plan-law.ts';
import type { SelectionMeasures } from './selection-measures.ts';
import type { SimulatedSelectionFunctions } from './selection-spec.ts';

/** What the simulated functions share with the simulation. */
export interface SelectionFunctionsDeps extends SimulatedSelectionFunctions {
  readonly loop: EventLoop;
  readonly law: PlanLaw;
  readonly random: Random;
  readonly measures: SelectionMeasures;
  readonly overheadMs: number;
}

interface FunctionEnvironment {
  freeAtMs: number;
  isCold: boolean;
}

/** One open batch at a time; environments start on demand. */
export class SelectionFunctions {
  readonly #deps: SelectionFunctionsDeps;
  readonly #hold: Extract<HoldPolicy, { kind: 'slack' }>;
  #environments: FunctionEnvironment[] = [];
  #open: OpenBatch | null = null;
  #arrivedAtMs: number[] = [];
  #rows: number[] = [];
  #cancelDue: () => void = () => {};

  constructor(deps: SelectionFunctionsDeps) {
    this.#deps = deps;
    const { law, overheadMs } = deps;
    const batchSizeMax = Math.min(deps.batchSizeMax ?? law.plan.batch, law.plan.batch);
    this.#hold = { kind: 'slack', batchSizeMax, serviceMs: (rows) => law.quantileMs(Math.min(rows, batchSizeMax)) + overheadMs };
  }

  /** Takes a row that must be answered by `deadlineMs`. */
  take(arrivedAtMs: number, row: number, deadlineMs: number): void {
    const nowMs = this.#deps.loop.nowMs();
    for (;;) {
      const effect = onArrival(this.#hold, this.#open, nowMs, deadlineMs, 1);
      if (effect === 'join' || effect === 'join-and-full') {
        this.#join(arrivedAtMs, row, deadlineMs);
        if (effect === 'join-and-full') this.#close();
        return;
      }
      this.#close();
    }
  }

  #join(arrivedAtMs: number, row: number, deadlineMs: number): void {
    const { loop } = this.#deps;
    const nowMs = loop.nowMs();
    const { openedMs = nowMs, rows = 0, deadlineMs: earliestMs = deadlineMs } = this.#open ?? {};
    this.#open = { openedMs, rows: rows + 1, deadlineMs: Math.min(earliestMs, deadlineMs) };
    this.#arrivedAtMs.push(arrivedAtMs);
    this.#rows.push(row);
    this.#cancelDue();
    const dueMs = leavesAtMs(this.#hold, this.#open, nowMs);
    this.#cancelDue = loop.at(dueMs, eventKind.timer, () => this.#close());
    if (rows === 0) this.#ensureEnvironment(dueMs);
  }

  /** Starts an environment when a batch opens that none would be free for. */
  #ensureEnvironment(dueMs: number): void {
    const { loop, coldMs, keepAliveMs, measures } = this.#deps;
    const nowMs = loop.nowMs();
    this.#environments = this.#environments.filter(({ freeAtMs }) => nowMs - freeAtMs <= keepAliveMs);
    if (this.#environments.some(({ freeAtMs }) => freeAtMs <= dueMs)) return;
    measures.coldStarts++;
    this.#environments.push({ freeAtMs: nowMs + coldMs, isCold: true });
  }

  #close(): void {
    if (this.#open === null) return;
    const { loop, law, random, measures, prices, memoryMiB, coldMs, overheadMs } = this.#deps;
    const [arrivals, rows] = [this.#arrivedAtMs, this.#rows];
    this.#cancelDue();
    [this.#open, this.#arrivedAtMs, this.#rows] = [null, [], []];
    const nowMs = loop.nowMs();
    // The last used of the idle ones, so that the others can end; else the one that is free first.
    const idle = this.#environments.filter(({ freeAtMs }) => freeAtMs <= nowMs);
    const best = (idle.length > 0 ? idle : this.#environments).reduce((a, b) => (idle.length > 0 === b.freeAtMs > a.freeAtMs ? b : a));
    const goOn = rows.reduce((sum, row) => sum + (law.goesOn[row] as number), 0);
    const ms = law.drawMs(random, rows.length, goOn);
    measures.functionsUsd += functionUsd(prices, memoryMiB, ms + (best.isCold ? coldMs : 0));
    best.isCold = false;
    best.freeAtMs = Math.max(nowMs, best.freeAtMs) + ms;
    for (const [i, row] of rows.entries()) measures.answered(law, row, best.freeAtMs + overheadMs - (arrivals[i] as number));
    measures.ran(law, rows.length);
    measures.overflowed += rows.length;
  }
}
