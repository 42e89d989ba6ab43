/** A load that switches between two rates at random times: bursts that no average predicts. */
import type { Phase } from '../../src/cli/load/open-loop.ts';
import { exponentialMs, SeededRandom } from '../../src/random.ts';

export interface Mmpp {
  readonly quietPerSecond: number;
  readonly burstPerSecond: number;
  /** Mean durations of the two phases. */
  readonly quietMs: number;
  readonly burstMs: number;
}

/** The phases of a run of `totalMs`, identical for the same seed so that policies can be compared. */
export function mmppPhases(load: Mmpp, totalMs: number, seed: number): Phase[] {
  const random = new SeededRandom(seed);
  const phases: Phase[] = [];
  let remainingMs = totalMs;
  for (let isBurst = false; remainingMs > 0; isBurst = !isBurst) {
    const forMs = Math.min(remainingMs, exponentialMs(random, 1000 / (isBurst ? load.burstMs : load.quietMs)));
    phases.push({ ratePerSecond: isBurst ? load.burstPerSecond : load.quietPerSecond, forMs });
    remainingMs -= forMs;
  }
  return phases;
}
