/** Which plan of a selection a batch of instances gets, and whether requests that insist on a costly one must let others go first. */
import { type NextArrival, predictCompletionMs, type Rung, type Server } from '../../queueing/index.ts';
import type { Executor } from '../executor.ts';
import type { PoolContext } from '../executor-pool.ts';
import type { Ladder } from '../ladder.ts';
import type { BatchRung, PlanBounds } from '../plans/batch-plan.ts';
import type { PendingRequest } from '../request.ts';
import { minimumMarginMs } from './admission-margin.ts';
import { batchRows } from './instance-choice.ts';
import type { InstanceQueue } from './instance-queue.ts';

/** What the choice of a plan depends on, apart from the ladder itself. */
export interface BatchPlansDeps {
  readonly context: PoolContext;
  readonly queue: InstanceQueue;
  /** Time for transfer to the worker and back, and for encoding. */
  readonly overheadMs: number;
  /** The executors that take batches now. */
  readonly executors: () => readonly Executor[];
  /** Added to the minimum margin, as predictions were off. */
  readonly extraMs: (nowMs: number) => number;
}

/** The share of the promised latency that a plan must leave before the last deadline. */
const rungMarginShare = 0.1;
/** Requests that are looked at for one that does not insist. Those behind have more time. */
const lookedAtMax = 256;

/** The plans of one variant, with the service times of each. */
export class BatchPlans {
  readonly #deps: BatchPlansDeps;

  constructor(deps: BatchPlansDeps) {
    this.#deps = deps;
  }

  /** Late requests get the cheapest plan: they wait for as long as any other can be in time. */
  planOf(batch: readonly PendingRequest[], executor: Executor, ladder: Ladder, nowMs: number): BatchRung {
    const { queue, context, overheadMs } = this.#deps;
    const { objective } = context.settings;
    const [head] = batch;
    const { last } = queue;
    if (ladder.isAlone)
      return { rung: 0, heldBack: null, rowsWaiting: objective === null || head?.isLate !== false ? 0 : queue.timelyRows };
    if (objective === null || head === undefined || last === undefined || head.isLate)
      return { rung: ladder.runnable(executor, rungOf(head, executor)), heldBack: null, rowsWaiting: 0 };
    const { latencyMs } = objective;
    const moment = {
      residualMs: [executor, ...this.#others(executor, nowMs)].map((each) => each.residualMs(nowMs)),
      rowsWaiting: queue.timelyRows,
      headLeftMs: leftMs(head, latencyMs, nowMs),
      lastLeftMs: leftMs(last, latencyMs, nowMs),
      marginMs: this.#marginMs(latencyMs, nowMs),
      overheadMs,
      ...(context.settings.isHybrid === true ? { next: this.#nextArrival(executor, latencyMs, nowMs) } : {}),
    };
    return ladder.choose(executor, moment, head.bounds);
  }

  /**
   * Whether the batch insists on a plan above the base plan, and others that can be in time would be late after it. They go first: what a
   * client prefers may make its own answers late, not those of others.
   */
  givesWay(batch: readonly PendingRequest[], executor: Executor, nowMs: number): boolean {
    const { queue, context, overheadMs } = this.#deps;
    const { objective } = context.settings;
    const [head] = batch;
    const rung = rungOf(head, executor);
    if (objective === null || head === undefined || head.isLate || rung === executor.base) return false;
    const next = this.#nextContent(batch, executor);
    const { last } = queue;
    if (next === null || last === undefined) return false;
    const { latencyMs } = objective;
    const rungs = executor.rungs();
    const [base, wanted] = [rungs[executor.base] as Rung, rungs[rung] as Rung];
    const rows = Math.min(batchRows(batch), wanted.batchSizeMax);
    const busyMs = executor.residualMs(nowMs) + executor.serviceMs(rows, rung);
    const afterMs = busyMs + base.fullBatchMs + overheadMs;
    if (afterMs > leftMs(next, latencyMs, nowMs)) return true;
    const servers = [busyMs, ...this.#others(executor, nowMs).map((each) => each.residualMs(nowMs))].map(
      (residualMs): Server => ({ residualMs, ...base }),
    );
    const rowsBehind = Math.max(queue.timelyRows - rows - 1, 0);
    return predictCompletionMs(servers, rowsBehind) + overheadMs > leftMs(last, latencyMs, nowMs) - this.#marginMs(latencyMs, nowMs);
  }

  /** The first request after the batch that the base plan suffices for. */
  #nextContent(batch: readonly PendingRequest[], executor: Executor): PendingRequest | null {
    const taken = new Set(batch);
    let looked = 0;
    for (const request of this.#deps.queue.timely()) {
      if (looked++ >= lookedAtMax + batch.length) return null;
      if (!taken.has(request) && rungOf(request, executor) === executor.base) return request;
    }
    return null;
  }

  /** Arrivals are sent to functions if the base plan would answer them late: a batch must leave them time. */
  #nextArrival(executor: Executor, latencyMs: number, nowMs: number): NextArrival {
    const { queue, extraMs } = this.#deps;
    const rungs = executor.rungs();
    return {
      leftMs: latencyMs - minimumMarginMs(latencyMs) - extraMs(nowMs),
      batchMs: (rung) => executor.serviceMs(Math.min(queue.timelyRows, rungs[rung]?.batchSizeMax ?? 1), rung),
    };
  }

  #others(executor: Executor, nowMs: number): readonly Executor[] {
    return this.#deps.executors().filter((each) => each !== executor && !each.isStuck(nowMs));
  }

  #marginMs(latencyMs: number, nowMs: number): number {
    return Math.max(rungMarginShare * latencyMs, minimumMarginMs(latencyMs) + this.#deps.extraMs(nowMs));
  }
}

/** The cheapest plan that a request accepts on an executor. */
export function rungOf(request: PendingRequest | undefined, { base }: Executor): number {
  return within(base, request?.bounds ?? null);
}

function within(rung: number, bounds: PlanBounds | null): number {
  return bounds === null ? rung : Math.min(Math.max(rung, bounds.from), bounds.to);
}

/** Promises have the minimum margin already. */
function leftMs({ promisedAtMs, timeoutAtMs }: PendingRequest, latencyMs: number, nowMs: number): number {
  return Math.min(promisedAtMs + minimumMarginMs(latencyMs), timeoutAtMs) - nowMs;
}
