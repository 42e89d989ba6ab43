/** What is known of an object besides its bytes. */
import type { Transaction } from '../../storage/index.ts';

/** Kept as they came and given back with the object. `metadata` is what `x-amz-meta-*` says, without that prefix. */
export interface ObjectHeaders {
  readonly contentType?: string | undefined;
  readonly contentEncoding?: string | undefined;
  readonly contentDisposition?: string | undefined;
  readonly contentLanguage?: string | undefined;
  readonly cacheControl?: string | undefined;
  readonly expires?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/** By algorithm (`crc32`), in base64, as the client gave them. */
export type Checksums = Readonly<Record<string, string>>;

export interface S3Object {
  readonly bucket: string;
  readonly key: string;
  /** Another with each write. */
  readonly id: string;
  readonly bytes: number;
  /** Without quotes. */
  readonly etag: string;
  readonly modifiedAtMs: number;
  readonly contentType: string;
  readonly headers: ObjectHeaders;
  readonly checksums: Checksums;
  /** How many parts it was uploaded in; null where it came at once. */
  readonly parts: number | null;
}

/** Bytes from `start` up to `end`, without it. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Bytes that are, alone or with others in order, an object: a file or, where they are few, a part of their row. */
export interface Piece {
  readonly position: number;
  readonly sha256: string;
  readonly bytes: number;
  /** Hexadecimal. */
  readonly md5: string;
  readonly checksums: Checksums;
  /** Not given where they are in the file of that hash. */
  readonly content?: Buffer | undefined;
}

/** What must be under the key for a write to happen: nothing, anything, or an object of one of these ETags (without quotes). */
export type WriteCondition = { readonly absent: true } | { readonly etags: readonly string[] | '*' };

/** What matters when an object is written besides its bytes. */
export interface PutOptions {
  /** Done in the transaction that publishes the object: both happen, or, where it throws, neither. It may be asked for again. */
  readonly beside?: (tx: Transaction, object: { readonly bytes: number }) => Promise<void>;
  readonly headers?: ObjectHeaders;
  /** Asked for once the bytes have come, since checksums may come behind them. */
  readonly checksums?: () => Checksums;
  readonly condition?: WriteCondition | undefined;
}

export interface CopyOptions {
  /** Throws where this is not what was to be copied. */
  readonly judge?: (source: S3Object) => void;
  /** Instead of those of the source. */
  readonly headers?: ObjectHeaders | undefined;
  readonly condition?: WriteCondition | undefined;
}

/** What S3 says of an object that came without a content type. */
export const contentTypeDefault = 'binary/octet-stream';
