/** Objects in PostgreSQL, for servers that have no S3. A backup contains the objects, not these tables. */

export interface ObjectBlobsTable {
  key: string;
  /** Owner of its chunks. */
  upload: string;
  bytes: number;
  /** Epoch milliseconds. */
  modified_at: number;
}

export interface ObjectChunksTable {
  upload: string;
  /** Starts at 0. */
  position: number;
  content: Uint8Array;
  /** Epoch milliseconds. */
  stored_at: number;
}
