/**
 * Reads zip archives by their central directory, entry by entry: stored and deflated files, also beyond 4 GiB (zip64). The caller decides
 * which names and sizes to accept; this module writes nothing.
 */
import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { crc32, createInflateRaw } from 'node:zlib';
import { messageOf, PlatformError } from '../errors.ts';

/** An entry as the central directory lists it. The caller must check its name, its kind and its size. */
export interface ZipEntry {
  /** As stored in the archive: may be absolute or contain `..`. */
  readonly path: string;
  readonly kind: 'file' | 'directory' | 'symlink';
  /** Unpacked. */
  readonly bytes: number;
  /** Throws `invalid_request` if the content is damaged or has another size than `bytes`. */
  readonly content: AsyncIterable<Buffer>;
}

/** What the central directory says of an entry. */
interface DirectoryRecord {
  readonly path: string;
  readonly kind: ZipEntry['kind'];
  readonly method: number;
  readonly crc: number;
  readonly packedBytes: number;
  readonly bytes: number;
  /** Of the local header. */
  readonly offset: number;
}

const endSignature = 0x06054b50;
const end64Signature = 0x06064b50;
const end64LocatorSignature = 0x07064b50;
const recordSignature = 0x02014b50;
const localSignature = 0x04034b50;
const endBytes = 22;
const commentBytesMax = 0xffff;
/** Limit of the central directory: 10,000 entries need about two MiB. */
const directoryBytesMax = 16 * 2 ** 20;
const stored = 0;
const deflated = 8;
const chunkBytes = 1024 * 1024;

/** Throws `invalid_request` if the archive is malformed or cut off, `unsupported` for encryption and rare compressions. */
export async function* readZip(path: string): AsyncGenerator<ZipEntry> {
  const file = await open(path, 'r');
  try {
    for (const record of recordsIn(await directoryOf(file))) {
      if (record.kind !== 'directory' && record.method !== stored && record.method !== deflated) {
        throw new PlatformError(
          'unsupported',
          `'${record.path.slice(0, 200)}' in the zip archive has compression method ${record.method}: expected deflate or none. Pack it again with zip`,
        );
      }
      yield {
        path: record.path,
        kind: record.kind,
        bytes: record.bytes,
        content: { [Symbol.asyncIterator]: () => contentOf(path, file, record) },
      };
    }
  } finally {
    await file.close();
  }
}

/** The bytes of the central directory, found by the record at the end of the archive. */
async function directoryOf(file: FileHandle): Promise<Buffer> {
  const { size } = await file.stat();
  const tail = await bytesAt(file, Math.max(0, size - endBytes - commentBytesMax), Math.min(size, endBytes + commentBytesMax));
  let at = tail.length - endBytes;
  while (at >= 0 && !(tail.readUInt32LE(at) === endSignature && at + endBytes + tail.readUInt16LE(at + 20) === tail.length)) at--;
  if (at < 0) throw damaged('its end is missing, so it is cut off');
  let bytes = tail.readUInt32LE(at + 12);
  let offset = tail.readUInt32LE(at + 16);
  if (at >= 20 && tail.readUInt32LE(at - 20) === end64LocatorSignature) {
    const end = await bytesAt(file, safe(tail.readBigUInt64LE(at - 12)), 56);
    if (end.readUInt32LE(0) !== end64Signature) throw damaged('its zip64 record is missing');
    bytes = safe(end.readBigUInt64LE(40));
    offset = safe(end.readBigUInt64LE(48));
  }
  if (bytes > directoryBytesMax)
    throw new PlatformError('too_large', `the zip archive has a list of files of ${bytes} bytes: expected at most ${directoryBytesMax}`);
  return bytesAt(file, offset, bytes);
}

function* recordsIn(directory: Buffer): Generator<DirectoryRecord> {
  for (let at = 0; at < directory.length; ) {
    if (at + 46 > directory.length || directory.readUInt32LE(at) !== recordSignature) throw damaged('its list of files is malformed');
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((place) => directory.readUInt16LE(at + place)) as [
      number,
      number,
      number,
    ];
    const end = at + 46 + nameBytes + extraBytes + commentBytes;
    if (end > directory.length) throw damaged('its list of files is malformed');
    const path = directory.toString('utf8', at + 46, at + 46 + nameBytes);
    if ((directory.readUInt16LE(at + 8) & 1) !== 0)
      throw new PlatformError('unsupported', `'${path.slice(0, 200)}' in the zip archive is encrypted: pack it without a password`);
    yield {
      path,
      kind: kindOf(path, directory.readUInt32LE(at + 38)),
      method: directory.readUInt16LE(at + 10),
      crc: directory.readUInt32LE(at + 16),
      ...sizesOf(directory, at, directory.subarray(at + 46 + nameBytes, at + 46 + nameBytes + extraBytes)),
    };
    at = end;
  }
}

/** The upper half of the attributes is the mode of a Unix file. */
function kindOf(path: string, attributes: number): ZipEntry['kind'] {
  if (path.endsWith('/')) return 'directory';
  return ((attributes >>> 16) & 0o170000) === 0o120000 ? 'symlink' : 'file';
}

/** A size of 0xffffffff stands for the next one in the zip64 field. */
function sizesOf(directory: Buffer, at: number, extra: Buffer): Pick<DirectoryRecord, 'bytes' | 'packedBytes' | 'offset'> {
  const wide = zip64Of(extra);
  const size = (place: number): number => {
    const short = directory.readUInt32LE(at + place);
    if (short !== 0xffffffff) return short;
    const next = wide.shift();
    if (next === undefined) throw damaged('a size is missing');
    return safe(next);
  };
  const bytes = size(24);
  const packedBytes = size(20);
  return { bytes, packedBytes, offset: size(42) };
}

function zip64Of(extra: Buffer): bigint[] {
  for (let at = 0; at + 4 <= extra.length; ) {
    const end = at + 4 + extra.readUInt16LE(at + 2);
    if (end > extra.length) return [];
    if (extra.readUInt16LE(at) === 1) {
      return Array.from({ length: Math.floor((end - at - 4) / 8) }, (_, index) => extra.readBigUInt64LE(at + 4 + 8 * index));
    }
    at = end;
  }
  return [];
}

async function* contentOf(
  path: string,
  file: FileHandle,
  { path: name, method, crc, packedBytes, bytes, offset }: DirectoryRecord,
): AsyncGenerator<Buffer> {
  const header = await bytesAt(file, offset, 30);
  if (header.readUInt32LE(0) !== localSignature) throw damaged(`'${name.slice(0, 200)}' is not where its list of files says`);
  const start = offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
  let left = bytes;
  let sum = 0;
  if (packedBytes > 0) {
    const packed = createReadStream(path, { start, end: start + packedBytes - 1, highWaterMark: chunkBytes });
    const content = method === stored ? packed : pipeline(packed, createInflateRaw({ chunkSize: 256 * 1024 }), () => undefined); // errors are thrown by the read below
    try {
      for await (const chunk of content as AsyncIterable<Buffer>) {
        left -= chunk.length;
        if (left < 0) break;
        sum = crc32(chunk, sum);
        yield chunk;
      }
    } catch (cause) {
      throw damaged(`'${name.slice(0, 200)}' cannot be unpacked (${messageOf(cause)})`);
    }
  }
  if (left !== 0 || sum !== crc)
    throw damaged(`'${name.slice(0, 200)}' has another ${left === 0 ? 'checksum' : 'size'} than its list of files says`);
}

async function bytesAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  for (let filled = 0; filled < length; ) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, position + filled);
    if (bytesRead === 0) throw damaged('it is cut off');
    filled += bytesRead;
  }
  return bytes;
}

function safe(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw damaged('it has an impossible size');
  return Number(value);
}

function damaged(why: string): PlatformError {
  return new PlatformError('invalid_request', `the zip archive is damaged: ${why}. Pack or copy it again`);
}
