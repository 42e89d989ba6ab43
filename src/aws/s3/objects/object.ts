/** An object's metadata. */
import type { Transaction } from '../../../storage/index.ts';

/** Objects that the server itself writes: inference responses, and captured requests with or without their responses. */
export type ObjectOrigin = 'output' | 'input';

/** Stored as received and returned with the object. `metadata` holds the `x-amz-meta-*` headers without this prefix. */
export interface ObjectHeaders {
  readonly contentType?: string | undefined;
  readonly contentEncoding?: string | undefined;
  readonly contentDisposition?: string | undefined;
  readonly contentLanguage?: string | undefined;
  readonly cacheControl?: string | undefined;
  readonly expires?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /**
   * The key that wrote all of its bytes. Undefined for objects that the server wrote, and for uploads whose parts have several writers.
   * Clients cannot set it.
   */
  readonly writer?: string | undefined;
  /** Undefined for objects that clients wrote. Clients cannot set it. */
  readonly origin?: ObjectOrigin | undefined;
}

/** Keyed by algorithm (`crc32`), in base64, as the client sent them. */
export type Checksums = Readonly<Record<string, string>>;

/** The metadata of an object. An overwritten key gets another id. */
export interface S3Object {
  readonly bucket: string;
  readonly key: string;
  /** Unique for each write. */
  readonly id: string;
  readonly bytes: number;
  /** Without quotes. */
  readonly etag: string;
  readonly modifiedAtMs: number;
  readonly contentType: string;
  readonly headers: ObjectHeaders;
  readonly checksums: Checksums;
  /** The number of parts of a multipart upload; null for a single put. */
  readonly parts: number | null;
}

/** Bytes from `start` up to but excluding `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** A run of bytes that forms an object, alone or in order with others: a file, or inline in the database if small. */
export interface Piece {
  readonly position: number;
  readonly sha256: string;
  readonly bytes: number;
  /** Hexadecimal. */
  readonly md5: string;
  readonly checksums: Checksums;
  /** Undefined if the bytes are in the file of that hash. */
  readonly content?: Buffer | undefined;
}

/** The precondition of a write: the key must be absent, present, or hold an object with one of these ETags (without quotes). */
export type WriteCondition = { readonly absent: true } | { readonly etags: readonly string[] | '*' };

/** Options of a write. */
export interface PutOptions {
  /** Runs in the transaction that publishes the object, so both commit or neither. May run again if the transaction is retried. */
  readonly transactionHook?: (tx: Transaction, object: { readonly bytes: number }) => Promise<void>;
  readonly headers?: ObjectHeaders;
  /** Called after the body was read, because checksums may be sent as trailers. */
  readonly checksums?: () => Checksums;
  readonly condition?: WriteCondition | undefined;
}

/** The conditions of a copy, and what it changes. */
export interface CopyOptions {
  /** The key that copies. */
  readonly writer?: string | undefined;
  /** Throws if a condition of the copy does not hold. */
  readonly judge?: (source: S3Object) => void;
  /** Replace the headers of the source. */
  readonly headers?: ObjectHeaders | undefined;
  readonly condition?: WriteCondition | undefined;
}

/** S3's content type for objects put without one. */
export const contentTypeDefault = 'binary/octet-stream';
