/** Objects in PostgreSQL, for servers that have no S3. A backup contains the objects, not these tables. */

/** A complete blob. It names the upload whose chunks are its content. */
export interface ObjectBlobsTable {
  key: string;
  /** Owner of its chunks. */
  upload: string;
  bytes: number;
  /** Epoch milliseconds. */
  modified_at: number;
}

/** Chunks of uploads. Those without a blob were left behind by a killed writer. */
export interface ObjectChunksTable {
  upload: string;
  /** Starts at 0. */
  position: number;
  content: Uint8Array;
  /** Epoch milliseconds. */
  stored_at: number;
}
