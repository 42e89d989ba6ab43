/** Asynchronous requests and transform jobs. */

/** An accepted asynchronous request and its outcome. */
export interface AsyncRequestsTable {
  /** The id of its job. */
  id: string;
  endpoint_key: string;
  inference_id: string;
  /** `queued`, `succeeded`, `failed`, `expired`, `cancelled`. */
  state: string;
  /** JSON: the request. */
  document: string;
  /** The body if it was sent inline, retained for retries. */
  body: Uint8Array | null;
  created_at: number;
  expires_at: number;
  finished_at: number | null;
  /** Failed attempts that the request itself may have caused. */
  failures: number;
  /** Attempts that failed because no executor was available. */
  troubles: number;
  reason: string | null;
}

/** A transform job over a data set. */
export interface TransformsTable {
  name_key: string;
  name: string;
  state: string;
  /** JSON: the definition of the job. */
  document: string;
  created_at: number;
  updated_at: number;
  started_at: number | null;
  ended_at: number | null;
  reason: string | null;
}

/** An input object of a transform job. */
export interface TransformObjectsTable {
  transform_key: string;
  position: number;
  name: string;
  bytes: number;
  /** `waiting`, `done`, `failed`. */
  state: string;
  records: number;
  skipped: number;
  /** The reason of a failure; for a completed object, the records that were skipped. */
  note: string | null;
  /** JSON: where to continue. */
  checkpoint: string | null;
}
