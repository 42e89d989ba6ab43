/**
 * Which rung of a ladder answers a batch. A ladder holds plans from the cheapest, rung 0, to the most accurate. Capacity that would
 * be idle becomes accuracy; a burst gets cheaper batches instead of late answers. Pure, shared by serving and the simulator.
 *
 * Switching costs nothing, because a worker has loaded the models of all rungs. So the rule has no state and no hysteresis: it looks
 * at the queue.
 */
import assert from 'node:assert/strict';
import { predictCompletionMs, type Server } from './dispatch-rule.ts';

/** A plan as the rule sees it. Index 0 is the cheapest. */
export interface Rung {
  /** B_k: rows of a full batch. */
  readonly batchSizeMax: number;
  /** S_k: the service quantile of a full batch. */
  readonly fullBatchMs: number;
}

/** The moment at which an executor takes a batch. */
export interface RungMoment {
  /** Time until each executor is free; 0 for the one that takes the batch. */
  readonly residualMs: readonly number[];
  /** Waiting rows that can be in time, those of the batch included; at least 1. Late rows do not count (ADR 30). */
  readonly rowsWaiting: number;
  /** Time until the first and the last of them are due. */
  readonly headLeftMs: number;
  readonly lastLeftMs: number;
  /** Kept free before the last deadline: by default a tenth of the promised latency, or the admission margin if that is more. */
  readonly marginMs: number;
  /** d: time in addition to the service. */
  readonly overheadMs: number;
  /** Beside functions: a request that arrives when the batch was taken should not have to be sent to them. Absent: no functions. */
  readonly next?: NextArrival;
}

/** The request that arrives next, at the worst moment for it: right after the batch was taken. */
export interface NextArrival {
  /** Time until it must be answered, from its arrival on. */
  readonly leftMs: number;
  /** S_k of the batch that would be taken now, which may not be full. */
  readonly batchMs: (rung: number) => number;
}

/** Why a more accurate rung was not taken: which request would have been answered how late. */
export interface HeldBack {
  readonly rung: number;
  readonly request: 'first' | 'last' | 'next';
  readonly lateMs: number;
}

/** The plan of a batch, and what kept a more accurate one from being chosen. */
export interface RungChoice {
  readonly rung: number;
  /** The next more accurate rung that was possible; null on the highest one. */
  readonly heldBack: HeldBack | null;
}

const everyRung = (): boolean => true;

/**
 * The most accurate rung under which every waiting request is in time, and beside functions the next one, too: answers of functions cost
 * more than the accuracy is worth that one batch gains. The lowest rung if there is none. A rung that is too slow for the
 * first request is skipped only if the lowest rung would still save it. `isAllowed`: whether a rung may be taken at all; if none may,
 * the lowest of all is taken.
 */
export function chooseRung(rungs: readonly Rung[], moment: RungMoment, isAllowed: (rung: number) => boolean = everyRung): RungChoice {
  const { residualMs, rowsWaiting, headLeftMs, lastLeftMs, marginMs, overheadMs, next } = moment;
  assert(rungs.length >= 1 && rowsWaiting >= 1, 'a batch is chosen from at least one rung and one row');
  const lowest = Math.max(
    rungs.findIndex((_, rung) => isAllowed(rung)),
    0,
  );
  const canSaveHead = (rungs[lowest] as Rung).fullBatchMs + overheadMs <= headLeftMs;
  let heldBack: HeldBack | null = null;
  for (let rung = rungs.length - 1; rung > lowest; rung--) {
    if (!isAllowed(rung)) continue;
    const { batchSizeMax, fullBatchMs } = rungs[rung] as Rung;
    const headLateMs = fullBatchMs + overheadMs - headLeftMs;
    if (canSaveHead && headLateMs > 0) {
      heldBack = { rung, request: 'first', lateMs: headLateMs };
      continue;
    }
    const servers = residualMs.map((residual): Server => ({ residualMs: residual, batchSizeMax, fullBatchMs }));
    const lastLateMs = predictCompletionMs(servers, rowsWaiting - 1) + overheadMs - (lastLeftMs - marginMs);
    const nextLateMs =
      next === undefined || lastLateMs > 0 ? 0 : nextArrivalLateMs(rungs[lowest] as Rung, moment, next, rung, batchSizeMax);
    if (lastLateMs <= 0 && nextLateMs <= 0) return { rung, heldBack };
    heldBack = lastLateMs > 0 ? { rung, request: 'last', lateMs: lastLateMs } : { rung, request: 'next', lateMs: nextLateMs };
  }
  return { rung: lowest, heldBack };
}

/** How late the lowest rung would answer a request that arrives when this batch was taken: it is judged by that rung. */
function nextArrivalLateMs(
  lowest: Rung,
  { residualMs, rowsWaiting, overheadMs }: RungMoment,
  { leftMs, batchMs }: NextArrival,
  rung: number,
  batchSizeMax: number,
): number {
  const taker = Math.max(residualMs.indexOf(0), 0);
  const servers = residualMs.map((residual, i): Server => ({ residualMs: i === taker ? residual + batchMs(rung) : residual, ...lowest }));
  return predictCompletionMs(servers, Math.max(rowsWaiting - batchSizeMax, 0)) + overheadMs - leftMs;
}

/** A rounding error must not reject a rung that the credit just suffices for. */
const roundingError = 1e-9;

/**
 * The credit by which rungs below the floor may be taken: what rows of more accurate rungs were above the floor, in rows. The mean of
 * the measured accuracies of all answers so never falls below the floor. A restart begins at 0.
 */
export class AccuracyCredit {
  readonly floor: number;
  /** The most that is saved up. Infinite: no bound. */
  readonly max: number;
  #rows = 0;

  constructor(floor: number, max: number) {
    this.floor = floor;
    this.max = max;
  }

  /** Expected right answers beyond those that the floor asks for. */
  get rows(): number {
    return this.#rows;
  }

  /** Whether a batch of that many rows may be answered with this accuracy. */
  allows(accuracy: number, rows: number): boolean {
    return accuracy >= this.floor || this.#rows + roundingError >= (this.floor - accuracy) * rows;
  }

  /** A batch was answered with this accuracy. It must have been allowed. */
  count(accuracy: number, rows: number): void {
    this.#rows = Math.min(this.max, Math.max(0, this.#rows + (accuracy - this.floor) * rows));
  }
}
