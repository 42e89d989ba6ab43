/**
 * Recognises the head of a plain request, as clients of an inference send it. Everything else is left to node:http: what this accepts,
 * llhttp accepts with the same meaning (`fast-head.test.ts` compares the two). So it is never laxer, and a proxy in front of the server cannot be
 * tricked into seeing other requests than the server.
 */

/** The parsed head of a plain request: request line, headers and the length of its body. */
export interface FastHead {
  readonly url: string;
  /** With names in lower case, each of them once. */
  readonly headers: Readonly<Record<string, string>>;
  /** As received: name, value, name, value, ... */
  readonly rawHeaders: readonly string[];
  readonly bodyBytes: number;
  /** Length of the head, including the empty line. */
  readonly headBytes: number;
}

/** `later`: the head is incomplete, but could still be a plain one. `other`: it is not plain. */
export type FastHeadResult = FastHead | 'later' | 'other';

/** Less than node:http accepts. */
const headBytesMax = 4096;
const headersMax = 64;
/** A body up to this size is served whole if it arrives within two reads. */
export const wholeBodyBytesMax = 64 * 1024;
/** The rest of a body up to this size is read and discarded if its request was answered early. Larger bodies are left to node:http. */
export const streamedBodyBytesMax = 1024 * 1024;

const start = Buffer.from('POST /');
const headEnd = Buffer.from('\r\n\r\n');
/** A path without escapes, query or empty segment. */
const requestLine = /^POST ((?:\/[A-Za-z0-9._~:-]+)+) HTTP\/1\.1$/;
const headerLine = /^([A-Za-z0-9-]+): *([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)? *$/;
const lengthValue = /^(?:0|[1-9][0-9]{0,6})$/;

/** Headers that change how a message is framed or answered. */
const otherNames: ReadonlySet<string> = new Set([
  'transfer-encoding',
  'expect',
  'upgrade',
  'te',
  'trailer',
  'keep-alive',
  'proxy-connection',
  'content-encoding',
  'http2-settings',
]);

/** Reads the head at the beginning of `bytes`. A larger body than `bodyBytesMax` is not plain. */
export function parseFastHead(bytes: Buffer, bodyBytesMax: number = wholeBodyBytesMax): FastHeadResult {
  const text = headText(bytes);
  return text === 'later' || text === 'other' ? text : parseText(text, bodyBytesMax);
}

/** The text of the head with its empty line. */
function headText(bytes: Buffer): string {
  const known = Math.min(start.length, bytes.length);
  if (bytes.compare(start, 0, known, 0, known) !== 0) return 'other';
  const end = bytes.length <= headBytesMax ? bytes.indexOf(headEnd) : bytes.subarray(0, headBytesMax).indexOf(headEnd);
  if (end === -1) return bytes.length < headBytesMax ? 'later' : 'other';
  return bytes.toString('latin1', 0, end + headEnd.length);
}

function parseText(text: string, bodyBytesMax: number): FastHead | 'other' {
  const [first = '', ...lines] = text.slice(0, -headEnd.length).split('\r\n');
  const url = requestLine.exec(first)?.[1];
  if (url === undefined || lines.length > headersMax) return 'other';
  const headers: Record<string, string> = {};
  const rawHeaders: string[] = [];
  for (const line of lines) {
    const [, name, value = ''] = headerLine.exec(line) ?? [];
    if (name === undefined) return 'other';
    const key = name.toLowerCase();
    if (otherNames.has(key) || Object.hasOwn(headers, key)) return 'other';
    headers[key] = value;
    rawHeaders.push(name, value);
  }
  const { host, connection = 'keep-alive', 'content-length': length } = headers;
  if (host === undefined || connection.toLowerCase() !== 'keep-alive' || length === undefined || !lengthValue.test(length)) return 'other';
  const bodyBytes = Number(length);
  return bodyBytes > bodyBytesMax ? 'other' : { url, headers, rawHeaders, bodyBytes, headBytes: text.length };
}

const knownMax = 256;

/** Reads heads. Clients repeat theirs, so recent ones are cached. Their headers must not be changed. */
export class FastHeads {
  readonly #bodyBytesMax: number;
  readonly #known = new Map<string, FastHead>();

  /** A larger body is not plain. */
  constructor(bodyBytesMax: number = wholeBodyBytesMax) {
    this.#bodyBytesMax = bodyBytesMax;
  }

  /** Clients repeat their heads byte for byte, so a head that was parsed before is looked up by its text. */
  read(bytes: Buffer): FastHeadResult {
    const text = headText(bytes);
    if (text === 'later' || text === 'other') return text;
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const head = parseText(text, this.#bodyBytesMax);
    if (head === 'other') return head;
    if (this.#known.size === knownMax) this.#known.clear();
    this.#known.set(text, head);
    return head;
  }
}
