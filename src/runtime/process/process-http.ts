/** The two calls of the container contract, on a local port: GET /ping and POST /invocations. */
import { createReadStream } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageOf, PlatformError } from '../../errors.ts';
import { request } from '../../node-http.ts';
import type { Payload, PayloadHeaders, ProcessReply, ReplyHead } from '../link/payload.ts';

const host = '127.0.0.1';
const refusalBytesMax = 64 * 1024;
const headersMax = 64;

/** Hop-by-hop headers, meant for one connection only. */
const connectionHeaders = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
  'content-length',
  'expect',
];

/** Limits and destination of one call. */
export interface InvokeOptions {
  readonly replyBytesMax: number;
  /** Receives the pieces of a reply of unknown length; without it every reply is read completely. */
  readonly sink?: { begin(head: ReplyHead): void; piece(bytes: Buffer): Promise<void> } | null;
  readonly signal?: AbortSignal;
}

/** A client of one process. */
export class ProcessHttp {
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
  }

  /** Null if it answered 200 in time, otherwise what was wrong. */
  async ping(timeoutMs: number): Promise<string | null> {
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      const response = await this.#send('GET', '/ping', {}, null, signal);
      response.resume().on('error', () => undefined);
      return response.statusCode === 200 ? null : `GET /ping answered ${response.statusCode}`;
    } catch (error) {
      if (signal.aborted) return `GET /ping was not answered within ${timeoutMs / 1000} s`;
      const refused = (error as NodeJS.ErrnoException).code === 'ECONNREFUSED';
      return refused ? `nothing listens on port ${this.#port}` : `GET /ping failed: ${messageOf(error)}`;
    }
  }

  /** Throws `model_failed` if there is no complete reply. A status other than success is still a reply. */
  async invoke({ headers, body, files }: Payload, options: InvokeOptions): Promise<ProcessReply> {
    try {
      const retained = { ...endToEnd(headers), 'content-length': String(files?.bytes ?? body.byteLength) };
      const source = files === undefined ? body : Readable.from(bytesOf(files.paths), { objectMode: false });
      const response = await this.#send('POST', '/invocations', retained, source, options.signal);
      return await readReply(response, options);
    } catch (error) {
      if (error instanceof PlatformError) throw error;
      throw new PlatformError('model_failed', `POST /invocations failed: ${messageOf(error)}`, { cause: error });
    }
  }

  /** Each call has its own connection: a server that handles one at a time would block on a connection that is kept alive. */
  #send(
    method: string,
    path: string,
    headers: PayloadHeaders,
    body: Uint8Array | Readable | null,
    signal?: AbortSignal,
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const provided = signal === undefined ? {} : { signal };
      const requested = request({ host, port: this.#port, method, path, headers, agent: false, ...provided }, resolve);
      requested.on('error', reject);
      requested.on('close', () => reject(new Error('the connection was closed without a reply')));
      if (body instanceof Readable) pipeline(body, requested).catch(reject);
      else requested.end(body ?? undefined);
    });
  }
}

async function readReply(response: IncomingMessage, { sink = null, replyBytesMax }: InvokeOptions): Promise<ProcessReply> {
  const status = response.statusCode ?? 0;
  const head = { status, headers: repliedHeaders(response) };
  const isSuccess = status >= 200 && status < 300;
  if (!isSuccess) return { ...head, body: await firstBytes(response, refusalBytesMax), isStreamed: false };
  // A reply with a known length is read completely, unless it exceeds the limit for complete replies.
  const length = response.headers['content-length'];
  if (sink === null || (length !== undefined && Number(length) <= replyBytesMax)) {
    return { ...head, body: await allBytes(response, replyBytesMax), isStreamed: false };
  }
  sink.begin(head);
  for await (const chunk of response) await sink.piece(chunk as Buffer);
  return { ...head, body: Buffer.alloc(0), isStreamed: true };
}

async function* bytesOf(paths: readonly string[]): AsyncGenerator<Buffer> {
  for (const path of paths) yield* createReadStream(path, { highWaterMark: 2 ** 18 }) as AsyncIterable<Buffer>;
}

async function allBytes(response: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if (bytes > bytesMax) throw new PlatformError('model_failed', `the model's reply exceeds the limit of ${bytesMax} bytes`);
  }
  return Buffer.concat(chunks, bytes);
}

async function firstBytes(response: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if (bytes >= bytesMax) break; // this ends the connection
  }
  return Buffer.concat(chunks).subarray(0, bytesMax);
}

function repliedHeaders(response: IncomingMessage): PayloadHeaders {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(response.headers).slice(0, headersMax)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return endToEnd(headers);
}

function endToEnd(headers: PayloadHeaders): PayloadHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !connectionHeaders.includes(name)));
}
