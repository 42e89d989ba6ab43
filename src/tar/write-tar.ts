/** Writes tar archives of files without owners, and without times unless they are given, so that the same files always produce the same bytes. */
import { PlatformError } from '../errors.ts';

/** A file to be written. Its size must be known before its content: tar has it in the head. */
export interface TarFile {
  /** `code/serve.py` */
  readonly path: string;
  readonly bytes: number;
  readonly isExecutable: boolean;
  /** Time of the last change, in seconds since 1970; default 0. */
  readonly mtimeS?: number;
  /** Must yield exactly `bytes` bytes. */
  readonly content: AsyncIterable<Uint8Array>;
}

const blockBytes = 512;
/** The largest number of eleven octal digits. */
const octalBytesMax = 8 ** 11 - 1;

/** Throws `invalid_request` if a file is longer or shorter than declared. */
export async function* tarOf(files: AsyncIterable<TarFile>): AsyncGenerator<Uint8Array> {
  for await (const { path, bytes, isExecutable, mtimeS = 0, content } of files) {
    const pax = paxOf(path, bytes);
    if (pax !== '') {
      const text = Buffer.from(pax, 'utf8');
      yield header('pax', text.length, { type: 'x', mode: 0o644, mtimeS: 0 });
      yield filled(text);
    }
    yield header(path, bytes, { type: '0', mode: isExecutable ? 0o755 : 0o644, mtimeS });
    let left = bytes;
    for await (const chunk of content) {
      left -= chunk.byteLength;
      if (left < 0) break;
      yield chunk;
    }
    if (left !== 0) throw new PlatformError('invalid_request', `${path} changed while it was read: expected ${bytes} bytes`);
    yield Buffer.alloc((blockBytes - (bytes % blockBytes)) % blockBytes);
  }
  yield Buffer.alloc(2 * blockBytes);
}

/** A pax header for values that do not fit into a ustar header. */
function paxOf(path: string, bytes: number): string {
  const isPlain = /^[\x20-\x7e]{1,100}$/.test(path);
  return (isPlain ? '' : paxLine('path', path)) + (bytes > octalBytesMax ? paxLine('size', String(bytes)) : '');
}

/** The length includes its own digits. */
function paxLine(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const restBytes = Buffer.byteLength(rest, 'utf8');
  let length = restBytes;
  while (restBytes + String(length).length !== length) length = restBytes + String(length).length;
  return `${length}${rest}`;
}

interface TarHeader {
  readonly type: string;
  readonly mode: number;
  readonly mtimeS: number;
}

function header(path: string, bytes: number, { type, mode, mtimeS }: TarHeader): Buffer {
  const block = Buffer.alloc(blockBytes);
  const octal = (value: number, length: number): string => value.toString(8).padStart(length - 1, '0');
  block.write(path.replaceAll(/[^\x20-\x7e]/g, '_').slice(0, 100), 0, 'latin1');
  block.write(octal(mode, 8), 100, 'latin1');
  block.write(octal(0, 8), 108, 'latin1');
  block.write(octal(0, 8), 116, 'latin1');
  block.write(octal(Math.min(bytes, octalBytesMax), 12), 124, 'latin1');
  block.write(octal(Math.min(Math.max(0, mtimeS), octalBytesMax), 12), 136, 'latin1');
  block.fill(' ', 148, 156);
  block.write(type, 156, 'latin1');
  block.write('ustar\u000000', 257, 'latin1');
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

function filled(text: Buffer): Buffer {
  return Buffer.concat([text, Buffer.alloc((blockBytes - (text.length % blockBytes)) % blockBytes)]);
}
