/** Requests that are worked on later, and data sets that go through a model. */

/** A request that was accepted, and what became of it. */
export interface AsyncRequestsTable {
  /** That of its job. */
  id: string;
  endpoint_key: string;
  inference_id: string;
  /** `queued`, `succeeded`, `failed`, `expired`, `cancelled`. */
  state: string;
  /** JSON: what is to be done. */
  document: string;
  /** Where it came with the request, and may be needed again. */
  body: Uint8Array | null;
  created_at: number;
  expires_at: number;
  finished_at: number | null;
  /** Tries that failed by its own fault, and by nobody's. */
  failures: number;
  troubles: number;
  reason: string | null;
}

/** A data set that goes through a model. */
export interface TransformsTable {
  name_key: string;
  name: string;
  state: string;
  /** JSON: what was ordered. */
  document: string;
  created_at: number;
  updated_at: number;
  started_at: number | null;
  ended_at: number | null;
  reason: string | null;
}

/** An object of it. */
export interface TransformObjectsTable {
  transform_key: string;
  position: number;
  name: string;
  bytes: number;
  /** `waiting`, `done`, `failed`. */
  state: string;
  records: number;
  skipped: number;
  /** Why it failed; of one that is done, which records were left out. */
  note: string | null;
  /** JSON: where to go on. */
  checkpoint: string | null;
}
