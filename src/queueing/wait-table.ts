/**
 * How long requests wait in a buffer, and in batches of which size they leave it: all that the latency distribution
 * and the cost of a setting need to know of arrivals and dispatch. Formulas, replays and simulations each make one.
 */

/** How the batches were formed: after a fixed wait, when the slack was used up, or whenever an executor was idle. */
export type WaitPolicy = 'timeout' | 'slack' | 'work-conserving';

export interface WaitTable {
  /** From formulas (`poisson`, `map`), from recorded arrivals (`replay`) or from simulated ones (`simulator`). */
  readonly source: 'poisson' | 'map' | 'replay' | 'simulator';
  readonly policy: WaitPolicy;
  /** B, in rows. */
  readonly batchSizeMax: number;
  /** T; null where no fixed wait ends a batch. */
  readonly waitMsMax: number | null;
  /** p_b, the share of batches that have b rows, at index b = 1 … B; index 0 is unused. */
  readonly batchSizePmf: Float64Array;
  /** E[b] = Σ b·p_b. */
  readonly meanBatch: number;
  /** Requests behind a table that was counted; null where it was computed. */
  readonly sampleCount: number | null;
  /**
   * H_b(w): how many requests of a batch are, on average over all batches, in one of size `batchSize` and have waited
   * at most `waitMs`. 0 below w = 0, b·p_b from the longest wait on; atoms are included where w reaches them.
   */
  requestsWithin(batchSize: number, waitMs: number): number;
  /**
   * The same as masses, in no promised order: `mass` of H_b lies evenly between `fromMs` and `toMs`. Equal ends are an atom.
   * The masses of one b add up to b·p_b.
   */
  forEachWaitMass(batchSize: number, visit: (fromMs: number, toMs: number, mass: number) => void): void;
}
