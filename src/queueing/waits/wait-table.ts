/**
 * Waits of requests in a buffer, and sizes of their batches. Latency and cost of a setting depend on arrivals and dispatch only
 * through this table. Formulas, replays and simulations all produce it.
 */

/** How batches were formed: after a fixed wait, when the slack was used up, or whenever an executor was idle. */
export type WaitPolicy = 'timeout' | 'slack' | 'work-conserving';

/** What `latency.ts` and `cost.ts` need of a buffer. Memory is B+1 distributions, whatever the number of requests. */
export interface WaitTable {
  /** From formulas (`poisson`, `map`), recorded arrivals (`replay`) or simulated ones (`simulator`). */
  readonly source: 'poisson' | 'map' | 'replay' | 'simulator';
  readonly policy: WaitPolicy;
  /** B, in rows. */
  readonly batchSizeMax: number;
  /** T in milliseconds; null if batches are not closed by a fixed wait. */
  readonly waitMsMax: number | null;
  /** p_b, the share of batches with b rows, at index b = 1 … B; index 0 is unused. */
  readonly batchSizePmf: Float64Array;
  /** E[b] = Σ b·p_b. */
  readonly meanBatch: number;
  /** Number of requests in a replay or simulation; null for formulas. */
  readonly sampleCount: number | null;
  /**
   * H_b(w): the number of requests that are in batches of `batchSize` and wait at most `waitMs`, per batch of any size. 0 for w <
   * 0, b·p_b from the longest wait on. Right-continuous: an atom at w is included.
   */
  requestsWithin(batchSize: number, waitMs: number): number;
  /**
   * Visits the same as masses, in no particular order. Each `mass` of H_b is spread evenly from `fromMs` to `toMs`; equal ends mean
   * an atom. The masses of one b add up to b·p_b.
   */
  forEachWaitMass(batchSize: number, visit: (fromMs: number, toMs: number, mass: number) => void): void;
}
