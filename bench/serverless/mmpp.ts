/** A load that switches between two rates at random moments: bursts that no average foretells. */
import type { Phase } from '../../src/cli/load/open-loop.ts';
import { exponentialMs, SeededRandom } from '../../src/random.ts';

export interface Mmpp {
  readonly quietPerSecond: number;
  readonly burstPerSecond: number;
  /** Mean lengths of the two. */
  readonly quietMs: number;
  readonly burstMs: number;
}

/** The phases of a run of so long: the same for the same seed, so that policies can be compared. */
export function mmppPhases(load: Mmpp, totalMs: number, seed: number): Phase[] {
  const random = new SeededRandom(seed);
  const phases: Phase[] = [];
  let leftMs = totalMs;
  for (let isBurst = false; leftMs > 0; isBurst = !isBurst) {
    const forMs = Math.min(leftMs, exponentialMs(random, 1000 / (isBurst ? load.burstMs : load.quietMs)));
    phases.push({ ratePerSecond: isBurst ? load.burstPerSecond : load.quietPerSecond, forMs });
    leftMs -= forMs;
  }
  return phases;
}
