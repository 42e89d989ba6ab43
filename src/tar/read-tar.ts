/**
 * Reads tar archives as streams, entry by entry: ustar with the long names of pax and GNU. The caller decides which names and sizes to
 * accept; this module writes nothing.
 */
import { PlatformError } from '../errors.ts';

/** An entry as it was read. The caller must check its name, its kind and its size. */
export interface TarEntry {
  /** As stored in the archive: may be absolute or contain `..`. */
  readonly path: string;
  readonly kind: 'file' | 'directory' | 'symlink' | 'hardlink';
  readonly bytes: number;
  /** Whether the owner of the file has permission to execute it. */
  readonly isExecutable: boolean;
  /** Time of the last change, in seconds since 1970. */
  readonly mtimeS: number;
  /** The target of a link; empty for anything else. */
  readonly link: string;
  /** Must be read before the next entry is requested; can be left unread. */
  readonly content: AsyncIterable<Buffer>;
}

const blockBytes = 512;
/** Limit for files, folders and long names: a gigabyte of headers compresses to a megabyte. */
const headersMax = 500_000;
/** Limit for long names and pax records. Names that file systems allow are shorter. */
const extrasBytesMax = 64 * 1024;
/** Limit for all of them together: they compress to a thousandth, and reading 32 GiB of them would take half an hour. */
const allExtrasBytesMax = 64 * 2 ** 20;
/** Limit for one pax header. Programs write fewer than 20, and some for each extended attribute. */
const paxRecordsMax = 1000;

/**
 * Throws `invalid_request` if the archive is malformed or truncated, and `unsupported` for entries that are neither files, folders nor
 * links.
 */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  const bytes = new ByteQueue(source);
  try {
    let extras: Extras = {};
    let extrasBytes = 0;
    for (let index = 0; ; index++) {
      const header = await bytes.shift(blockBytes);
      if (index > headersMax) throw damaged(`more than ${headersMax} entries`);
      // An archive ends with two zero blocks; some end with one or none.
      if (header === null || header.every((byte) => byte === 0)) return;
      const type = typeOf(header, index);
      const size = numberAt(header, 124, 12);
      if (extraKinds.includes(type)) {
        extras = { ...extras, ...(await readExtras(bytes, type, size)) };
        extrasBytes += size;
        if (extrasBytes > allExtrasBytesMax) throw damaged(`more than ${allExtrasBytesMax} bytes of long names and pax headers`);
        continue;
      }
      const entry = entryOf(header, type, extras);
      extras = {};
      const content = new Content(bytes, entry.bytes);
      yield { ...entry, content };
      await content.skip();
    }
  } finally {
    await bytes.close();
  }
}

interface Extras {
  readonly path?: string;
  readonly link?: string;
  readonly bytes?: number;
}

/** Entries that describe the next one: pax, global pax (mostly a comment), GNU's long name and long link. */
const extraKinds = ['x', 'g', 'L', 'K'];
const kinds: Readonly<Record<string, TarEntry['kind']>> = {
  0: 'file',
  '\0': 'file',
  7: 'file',
  1: 'hardlink',
  2: 'symlink',
  5: 'directory',
};

function typeOf(header: Buffer, index: number): string {
  let sum = 0;
  for (let at = 0; at < blockBytes; at++) sum += at >= 148 && at < 156 ? 32 : (header[at] as number);
  if (sum !== Number.parseInt(untilNul(header.toString('latin1', 148, 156)).trim(), 8)) {
    const what = index === 0 ? 'this is not a tar archive' : `the tar archive is damaged after ${index} entries`;
    throw new PlatformError('invalid_request', `${what}: wrong header checksum. Expected a .tar or .tar.gz file`);
  }
  return String.fromCharCode(header[156] as number);
}

function entryOf(header: Buffer, type: string, extras: Extras): Omit<TarEntry, 'content'> {
  const isUstar = header.toString('latin1', 257, 262) === 'ustar';
  const prefix = isUstar && header[262] === 0 ? textAt(header, 345, 155) : '';
  const short = textAt(header, 0, 100);
  const path = extras.path ?? (prefix === '' ? short : `${prefix}/${short}`);
  const kind = type !== '5' && path.endsWith('/') && (type === '0' || type === '\0') ? 'directory' : kinds[type];
  if (kind === undefined) {
    throw new PlatformError(
      'unsupported',
      `'${path.slice(0, 200)}' in the archive is neither a file, a folder nor a link (tar type ${JSON.stringify(type)})`,
    );
  }
  const bytes = kind === 'file' ? (extras.bytes ?? numberAt(header, 124, 12)) : 0;
  const link = kind === 'symlink' || kind === 'hardlink' ? (extras.link ?? textAt(header, 157, 100)) : '';
  const [time = '0'] = /^[0-7]+/.exec(textAt(header, 136, 12).trim()) ?? []; // other programs write what they want
  const mtimeS = Number.parseInt(time, 8);
  return { path, kind, bytes, link, mtimeS, isExecutable: (numberAt(header, 100, 8) & 0o100) !== 0 };
}

async function readExtras(bytes: ByteQueue, type: string, size: number): Promise<Extras> {
  if (size > extrasBytesMax) throw damaged(`a name of ${size} bytes`);
  const content = new Content(bytes, size);
  const text = (await content.all()).toString('utf8');
  await content.skip();
  if (type === 'g') return {};
  if (type === 'L') return { path: untilNul(text) };
  if (type === 'K') return { link: untilNul(text) };
  return paxExtras(text);
}

/** Parses lines of `LENGTH KEY=VALUE`. The length counts the bytes of the whole line. */
function paxExtras(text: string): Extras {
  const extras: { path?: string; link?: string; bytes?: number } = {};
  const all = Buffer.from(text, 'utf8');
  let records = 0;
  for (let from = 0; from < all.length; ) {
    if (++records > paxRecordsMax) throw damaged(`a pax header of more than ${paxRecordsMax} records`);
    const length = Number(/^\d{1,6}(?= )/.exec(all.toString('latin1', from, from + 8))?.[0]);
    if (!(length > 0) || from + length > all.length) throw damaged('an invalid pax header');
    const [, key = '', value = ''] = /^\d+ ([^=]*)=(.*)\n$/s.exec(all.toString('utf8', from, from + length)) ?? [];
    if (key === 'path') extras.path = value;
    if (key === 'linkpath') extras.link = value;
    if (key === 'size') extras.bytes = sizeOf(value);
    if (key.startsWith('GNU.sparse'))
      throw new PlatformError('unsupported', 'the archive contains sparse files: pack it again without --sparse');
    from += length;
  }
  return extras;
}

function sizeOf(text: string): number {
  const size = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(size)) throw damaged(`a file of '${text.slice(0, 20)}' bytes`);
  return size;
}

/** Octal digits or, for larger numbers, a binary number whose first byte is 0x80. */
function numberAt(header: Buffer, offset: number, length: number): number {
  if (header[offset] === 0x80) {
    if (header.readUIntBE(offset + 1, length - 7) !== 0) throw damaged('an impossibly large size');
    return header.readUIntBE(offset + length - 6, 6);
  }
  const text = header
    .toString('latin1', offset, offset + length)
    .replaceAll('\0', ' ')
    .trim();
  if (!/^[0-7]*$/.test(text)) throw damaged(`'${text}' instead of a number`);
  return text === '' ? 0 : Number.parseInt(text, 8);
}

function textAt(header: Buffer, offset: number, length: number): string {
  return untilNul(header.toString('utf8', offset, offset + length));
}

function untilNul(text: string): string {
  const end = text.indexOf('\0');
  return end === -1 ? text : text.slice(0, end);
}

function damaged(what: string): PlatformError {
  return new PlatformError('invalid_request', `the tar archive is damaged: it has ${what}`);
}

/** The bytes of one entry and its padding to full blocks. */
class Content implements AsyncIterable<Buffer> {
  readonly #queue: ByteQueue;
  #remaining: number;
  #filling: number;

  constructor(queue: ByteQueue, bytes: number) {
    this.#queue = queue;
    this.#remaining = bytes;
    this.#filling = (blockBytes - (bytes % blockBytes)) % blockBytes;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    while (this.#remaining > 0) {
      const chunk = await this.#queue.some(this.#remaining);
      this.#remaining -= chunk.length;
      yield chunk;
    }
  }

  async all(): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of this) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  async skip(): Promise<void> {
    while (this.#remaining > 0) this.#remaining -= (await this.#queue.some(this.#remaining)).length;
    while (this.#filling > 0) this.#filling -= (await this.#queue.some(this.#filling)).length;
  }
}

/** Reads a stream in pieces of requested sizes. */
class ByteQueue {
  readonly #source: AsyncIterator<Uint8Array>;
  #remaining: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Exactly this many bytes; null at the end of the stream. */
  async shift(bytes: number): Promise<Buffer | null> {
    const chunks: Buffer[] = [];
    let missing = bytes;
    while (missing > 0) {
      if (this.#remaining.length === 0 && !(await this.#more())) {
        if (missing === bytes) return null;
        throw damaged('an end in the middle of a header');
      }
      const chunk = this.#remaining.subarray(0, missing);
      this.#remaining = this.#remaining.subarray(chunk.length);
      missing -= chunk.length;
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }

  /** Between one and `bytesMax` bytes. */
  async some(bytesMax: number): Promise<Buffer> {
    if (this.#remaining.length === 0 && !(await this.#more())) throw damaged('an end in the middle of a file');
    const chunk = this.#remaining.subarray(0, bytesMax);
    this.#remaining = this.#remaining.subarray(chunk.length);
    return chunk;
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }

  async #more(): Promise<boolean> {
    for (;;) {
      const next: IteratorResult<Uint8Array, unknown> = await this.#source.next();
      if (next.done === true) return false;
      const { value } = next;
      if (value.byteLength === 0) continue;
      this.#remaining = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
      return true;
    }
  }
}
