/** Sends arbitrary bytes to a server, and parses the responses as strictly as a proxy. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';

/** How the client ends an exchange. */
export type Ending =
  /** Stays open until the server closes or is silent for `quietMs`, then closes. */
  | 'wait'
  /** Resets the connection as soon as everything is sent. */
  | 'reset'
  /** Closes its half as soon as everything is sent. */
  | 'half-close';

export interface Exchange {
  readonly pieces: readonly Buffer[];
  readonly pauseMs: number;
  readonly ending: Ending;
}

export interface Received {
  readonly bytes: Buffer;
  /** The server must also close once the client has closed its half. */
  readonly isClosed: boolean;
}

const quietMs = 250;
/** Limit for an exchange: a connection still open after this hangs. */
const exchangeMsMax = 60_000;

export async function exchange(url: string, { pieces, pauseMs, ending }: Exchange): Promise<Received> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  socket.on('error', () => undefined); // Resets are expected.
  const chunks: Buffer[] = [];
  let lastMs = performance.now();
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    lastMs = performance.now();
  });
  let isOver = false;
  const over = new Promise<void>((resolve) => {
    const end = (): void => {
      isOver = true;
      resolve();
    };
    socket.once('end', end);
    socket.once('close', end);
  });
  await Promise.race([once(socket, 'connect'), over]);
  for (const piece of pieces) {
    if (isOver || !socket.writable) break;
    socket.write(piece);
    if (pauseMs > 0) await pause(pauseMs);
  }
  if (ending === 'reset') {
    await Promise.race([over, pause(20)]);
    socket.resetAndDestroy();
    return { bytes: Buffer.concat(chunks), isClosed: true };
  }
  lastMs = performance.now();
  if (ending === 'wait') while (!isOver && performance.now() - lastMs < quietMs) await Promise.race([over, pause(20)]);
  socket.end();
  const cancel = new AbortController();
  await Promise.race([over, pause(exchangeMsMax, cancel.signal)]);
  cancel.abort();
  socket.destroy();
  return { bytes: Buffer.concat(chunks), isClosed: isOver };
}

function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

export interface RawResponse {
  readonly status: number;
  /** In lower case; the last value of repeated names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** The connection ended within the body. */
  readonly isCut: boolean;
}

/**
 * Splits the received bytes into responses strictly by RFC 9112. Throws on leftover bytes or anything that is not a response. `isHead`
 * tells which responses belong to a HEAD and have no body.
 */
export function readResponses(bytes: Buffer, isHead: (headers: RawResponse['headers'], index: number) => boolean): RawResponse[] {
  const found: RawResponse[] = [];
  for (let at = 0; at < bytes.length; ) {
    const headEnd = bytes.indexOf('\r\n\r\n', at);
    const text = bytes.toString('latin1', at, headEnd === -1 ? bytes.length : headEnd);
    const [statusLine = '', ...lines] = text.split('\r\n');
    const status = Number(/^HTTP\/1\.1 ([1-5]\d\d) [\x20-\x7e]*$/.exec(statusLine)?.[1]);
    assert(status > 0, `out of sync: expected a status line, got ${JSON.stringify(statusLine.slice(0, 200))}`);
    assert(headEnd !== -1, `the head of a response is truncated: ${JSON.stringify(text.slice(0, 200))}`);
    const headers: Record<string, string> = {};
    for (const line of lines) {
      const [, name = '', value = ''] = /^([!#$%&'*+.^_`|~\w-]+): ?([\t\x20-\x7e\x80-\xff]*)$/.exec(line) ?? [];
      assert(name !== '', `not a header line: ${JSON.stringify(line)}`);
      headers[name.toLowerCase()] = value;
    }
    at = headEnd + 4;
    if (status < 200) continue;
    // A request that could not be parsed is rejected with a body, even a HEAD. It is the last response of its connection.
    const hasBody = status !== 204 && status !== 304 && (headers.connection === 'close' || !isHead(headers, found.length));
    const { body, end, isCut } = hasBody ? readBody(bytes, at, headers) : { body: Buffer.alloc(0), end: at, isCut: false };
    found.push({ status, headers, body, isCut });
    at = end;
  }
  return found;
}

function readBody(bytes: Buffer, at: number, headers: Readonly<Record<string, string>>) {
  const length = headers['content-length'];
  if (length !== undefined) {
    assert(/^\d+$/.test(length), `content-length is ${length}`);
    assert(headers['transfer-encoding'] === undefined, 'a response has both content-length and transfer-encoding');
    const end = at + Number(length);
    return { body: bytes.subarray(at, Math.min(end, bytes.length)), end: Math.min(end, bytes.length), isCut: end > bytes.length };
  }
  if (headers['transfer-encoding'] === 'chunked') return readChunks(bytes, at);
  assert.equal(headers.connection?.toLowerCase(), 'close', 'a response has neither a length nor chunks, and does not close the connection');
  return { body: bytes.subarray(at), end: bytes.length, isCut: false };
}

function readChunks(bytes: Buffer, start: number) {
  const chunks: Buffer[] = [];
  for (let at = start; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd === -1) return { body: Buffer.concat(chunks), end: bytes.length, isCut: true };
    const size = bytes.toString('latin1', at, lineEnd);
    assert.match(size, /^[0-9a-f]+$/i, 'a chunk has no size');
    const from = lineEnd + 2;
    const to = from + Number.parseInt(size, 16);
    if (to + 2 > bytes.length) return { body: Buffer.concat(chunks), end: bytes.length, isCut: true };
    assert.equal(bytes.toString('latin1', to, to + 2), '\r\n', 'a chunk does not end after its length');
    if (to === from) return { body: Buffer.concat(chunks), end: to + 2, isCut: false };
    chunks.push(bytes.subarray(from, to));
    at = to + 2;
  }
}
