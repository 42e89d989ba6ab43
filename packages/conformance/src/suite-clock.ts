/** Time as the suite uses it, passed in so that tests decide it. */
export interface SuiteClock {
  /** Monotonic, fractional milliseconds. */
  nowMs(): number;
  /** Milliseconds since the epoch. */
  wallMs(): number;
  /** Runs once after `delayMs` milliseconds. Returns a function that cancels it. */
  after(delayMs: number, run: () => void): () => void;
}
