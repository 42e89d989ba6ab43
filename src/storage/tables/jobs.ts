/** Job queues, see `jobs.ts`. */

/** An accepted job, deleted when it is done. */
export interface JobsTable {
  id: string;
  queue: string;
  /** The partition; null if the queue has none. */
  lane: string | null;
  /** Jobs of one sequence run one after the other; null if the job waits for none. */
  sequence: string | null;
  /** The origin of the job; null if the queue is not queried by cause. */
  cause: string | null;
  /** JSON. */
  payload: string;
  priority: number;
  created_at: number;
  /** When the job can be leased next: its due time, or the end of its lease. For a dead job, when it died. */
  visible_at: number;
  expires_at: number | null;
  /** Identifies the current lease. */
  lease: string | null;
  attempts: number;
  /** `open`, `dead`. */
  state: string;
  reason: string | null;
}
