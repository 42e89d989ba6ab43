/** S3 buckets and their contents, and documents that AWS services store alongside platform resources. */

/** A bucket. Its name is unique, as it is in AWS. */
export interface S3BucketsTable {
  name: string;
  created_at: number;
}

/** The current object of a key. Its content is stored as pieces (`S3PiecesTable`). */
export interface S3ObjectsTable {
  bucket: string;
  key: string;
  /** Unique for each write; owner of the object's pieces. */
  id: string;
  bytes: number;
  /** Without quotes. */
  etag: string;
  modified_at: number;
  /** The number of parts of a multipart upload; null for a single put. */
  parts: number | null;
  /** JSON: `ObjectHeaders`. */
  headers: string;
  /** JSON: `{crc32: base64}`, as sent by the client. */
  checksums: string;
}

/** Multipart uploads that are neither completed nor aborted. */
export interface S3UploadsTable {
  id: string;
  bucket: string;
  key: string;
  headers: string;
  created_at: number;
}

/** The pieces of an object, in order, or the parts of an incomplete upload. */
export interface S3PiecesTable {
  /** The id of an object or of an upload. */
  owner: string;
  /** Starts at 1; for an upload, the part number. */
  position: number;
  sha256: string;
  bytes: number;
  /** Hexadecimal. */
  md5: string;
  checksums: string;
  stored_at: number;
  /** The bytes if small; null if they are in the file of that hash. */
  content: Uint8Array | null;
}

/** Data that an AWS API stores about a resource, in addition to what the platform stores. */
export interface AwsDocumentsTable {
  /** `model`, `endpoint-config`, `tags`. */
  kind: string;
  name_key: string;
  name: string;
  /** JSON. */
  content: string;
  created_at: number;
  updated_at: number;
  /** The resource with which the document is deleted; null if it is deleted separately. */
  group_key: string | null;
  version: number | null;
  /** The version number of a model package, or the number it would have if its file could not be read. */
  number: number | null;
  endpoint_key: string | null;
}
