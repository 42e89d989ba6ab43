/** What `jobs.ts` keeps: queues of work, in the order in which it is taken. */

/** Work that was accepted; gone when it is done. */
export interface JobsTable {
  id: string;
  queue: string;
  /** Whom it has to do with; null where its queue has no lanes. */
  lane: string | null;
  /** Those of one are done one after the other; null where it waits for none. */
  sequence: string | null;
  /** What it comes of; null where nobody asks for its queue by that. */
  cause: string | null;
  /** JSON. */
  payload: string;
  priority: number;
  created_at: number;
  /** Nobody takes it before: its time has not come, or it is taken until then. Of a dead one, when it died. */
  visible_at: number;
  expires_at: number | null;
  /** Whoever has it. */
  lease: string | null;
  attempts: number;
  /** `open`, `dead`. */
  state: string;
  reason: string | null;
}
