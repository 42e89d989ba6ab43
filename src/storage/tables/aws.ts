/** Buckets and what they hold, and what AWS's services keep beside the objects of the rooms. */

export interface S3BucketsTable {
  name: string;
  created_at: number;
}

/** What a key of a bucket holds now. Its bytes are its pieces. */
export interface S3ObjectsTable {
  bucket: string;
  key: string;
  /** Another with each write: to this its pieces belong. */
  id: string;
  bytes: number;
  /** Without quotes. */
  etag: string;
  modified_at: number;
  /** How many parts it was uploaded in; null where it came at once. */
  parts: number | null;
  /** JSON: `ObjectHeaders`. */
  headers: string;
  /** JSON: `{crc32: base64}`, as the client gave them. */
  checksums: string;
}

/** Uploads in parts that were begun and neither completed nor aborted. */
export interface S3UploadsTable {
  id: string;
  bucket: string;
  key: string;
  headers: string;
  created_at: number;
}

/** Files that together are an object, in order, or the parts so far of an upload. */
export interface S3PiecesTable {
  /** The id of an object or of an upload. */
  owner: string;
  /** From 1; of an upload the number of the part. */
  position: number;
  sha256: string;
  bytes: number;
  /** Hexadecimal. */
  md5: string;
  checksums: string;
  stored_at: number;
  /** The bytes themselves, where they are few; else they are in the file of that name. */
  content: Uint8Array | null;
}

/** What AWS's services keep of an object that its room does not know. */
export interface AwsDocumentsTable {
  /** `model`, `endpoint-config`, `tags`. */
  kind: string;
  name_key: string;
  name: string;
  /** JSON. */
  content: string;
  created_at: number;
  updated_at: number;
  /** What it goes with when that is deleted; null where it stays until it is removed itself. */
  group_key: string | null;
  version: number | null;
  /** The version that a model package has or, where its file could not be read, would have. */
  number: number | null;
  endpoint_key: string | null;
}
