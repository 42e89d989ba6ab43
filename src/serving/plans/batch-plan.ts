/** The plan of a batch of a selection, and which plans a request accepts. */
import type { HeldBack } from '../../queueing/index.ts';

/** Positions of rungs, both included. */
export interface PlanBounds {
  readonly from: number;
  readonly to: number;
}

/** The plan of a batch, and why. */
export interface BatchRung {
  readonly rung: number;
  /** Why no more accurate plan was taken; null on the highest rung, and if none was considered. */
  readonly heldBack: HeldBack | null;
  /** Waiting rows that could be in time, with those of the batch; 0 if the rule did not apply. */
  readonly rowsWaiting: number;
}
