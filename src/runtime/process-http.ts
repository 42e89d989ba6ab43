/** The two calls of the container contract, on a port of this machine: GET /ping and POST /invocations. */
import { createReadStream } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageOf, PlatformError } from '../errors.ts';
import type { Payload, PayloadHeaders, Reply, ReplyHead } from './payload.ts';

const host = '127.0.0.1';
const refusalBytesMax = 64 * 1024;
const headersMax = 64;

/** Of one connection, and meant for none but this one. */
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

export interface InvokeOptions {
  readonly replyBytesMax: number;
  /** Takes the pieces of a reply whose length is not known when it begins; without one every reply is taken whole. */
  readonly sink?: { begin(head: ReplyHead): void; piece(bytes: Buffer): Promise<void> } | null;
  readonly signal?: AbortSignal;
}

export class ProcessHttp {
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
  }

  /** Null where it answered 200 in time, else what was wrong. */
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

  /** Throws `model_failed` where no reply, or no whole one, can be had. What is no success is an answer all the same. */
  async invoke({ headers, body, files }: Payload, options: InvokeOptions): Promise<Reply> {
    try {
      const kept = { ...endToEnd(headers), 'content-length': String(files?.bytes ?? body.byteLength) };
      const source = files === undefined ? body : Readable.from(bytesOf(files.paths), { objectMode: false });
      const response = await this.#send('POST', '/invocations', kept, source, options.signal);
      return await takeReply(response, options);
    } catch (error) {
      if (error instanceof PlatformError) throw error;
      throw new PlatformError('model_failed', `POST /invocations failed: ${messageOf(error)}`, { cause: error });
    }
  }

  /** Each call has a connection of its own: a server that takes one at a time would wait on one that is kept, and answer no other. */
  #send(
    method: string,
    path: string,
    headers: PayloadHeaders,
    body: Uint8Array | Readable | null,
    signal?: AbortSignal,
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const given = signal === undefined ? {} : { signal };
      const asked = request({ host, port: this.#port, method, path, headers, agent: false, ...given }, resolve);
      asked.on('error', reject);
      asked.on('close', () => reject(new Error('the connection was closed without a reply')));
      if (body instanceof Readable) pipeline(body, asked).catch(reject);
      else asked.end(body ?? undefined);
    });
  }
}

async function takeReply(response: IncomingMessage, { sink = null, replyBytesMax }: InvokeOptions): Promise<Reply> {
  const status = response.statusCode ?? 0;
  const head = { status, headers: repliedHeaders(response) };
  const isSuccess = status >= 200 && status < 300;
  if (!isSuccess) return { ...head, body: await firstBytes(response, refusalBytesMax), isStreamed: false };
  // One that says how long it is comes whole, unless it is longer than may be taken whole.
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
    if (bytes > bytesMax) throw new PlatformError('model_failed', `the model's reply is larger than the limit of ${bytesMax} bytes`);
  }
  return Buffer.concat(chunks, bytes);
}

async function firstBytes(response: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if (bytes >= bytesMax) break; // which ends the connection
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
