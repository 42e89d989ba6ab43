/** Builds zip archives, also unusual and malicious ones. */
import { crc32, deflateRawSync } from 'node:zlib';

export interface ZipItem {
  readonly path: string;
  readonly bytes: Uint8Array;
  /** Default: deflated. */
  readonly method?: 0 | 8 | 14;
  readonly isEncrypted?: boolean;
  /** Upper half of the external attributes: 0o120777 is a symbolic link. */
  readonly mode?: number;
  /** The size that the list of files says. Default: the true one. */
  readonly saidBytes?: number;
  /** Sizes in the zip64 field, as of files beyond 4 GiB. */
  readonly isZip64?: boolean;
}

export function zipOf(items: readonly ZipItem[]): Buffer {
  const files: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const item of items) {
    const { path, bytes, method = 8, isEncrypted = false, mode = 0o100644, saidBytes = bytes.length, isZip64 = false } = item;
    const name = Buffer.from(path);
    const packed = method === 8 ? deflateRawSync(bytes) : Buffer.from(bytes);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(name.length, 26);
    files.push(local, name, packed);
    const record = Buffer.alloc(46);
    const extra = isZip64 ? zip64(saidBytes, packed.length, offset) : Buffer.alloc(0);
    record.writeUInt32LE(0x02014b50, 0);
    record.writeUInt16LE(0x031e, 4);
    record.writeUInt16LE(isEncrypted ? 1 : 0, 8);
    record.writeUInt16LE(method, 10);
    record.writeUInt32LE(crc32(bytes), 16);
    record.writeUInt32LE(isZip64 ? 0xffffffff : packed.length, 20);
    record.writeUInt32LE(isZip64 ? 0xffffffff : saidBytes, 24);
    record.writeUInt16LE(name.length, 28);
    record.writeUInt16LE(extra.length, 30);
    record.writeUInt32LE((mode << 16) >>> 0, 38);
    record.writeUInt32LE(isZip64 ? 0xffffffff : offset, 42);
    directory.push(record, name, extra);
    offset += local.length + name.length + packed.length;
  }
  const list = Buffer.concat(directory);
  return Buffer.concat([...files, list, endOf(items.length, list.length, offset)]);
}

function zip64(bytes: number, packedBytes: number, offset: number): Buffer {
  const extra = Buffer.alloc(28);
  extra.writeUInt16LE(1, 0);
  extra.writeUInt16LE(24, 2);
  for (const [index, value] of [bytes, packedBytes, offset].entries()) extra.writeBigUInt64LE(BigInt(value), 4 + 8 * index);
  return extra;
}

function endOf(count: number, bytes: number, offset: number): Buffer {
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(count, 8);
  end.writeUInt16LE(count, 10);
  end.writeUInt32LE(bytes, 12);
  end.writeUInt32LE(offset, 16);
  return end;
}
