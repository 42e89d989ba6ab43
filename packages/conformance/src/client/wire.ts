/**
 * A minimal HTTP client that exposes requests and responses byte for byte. Every call ends: it has a time limit, and the size of responses
 * is limited.
 */
import { Agent, type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { Agent as SecureAgent, request as secureRequest } from 'node:https';
import { connect, type Socket } from 'node:net';
import { connect as secureConnect } from 'node:tls';
import type { SuiteClock } from '../suite-clock.ts';

export interface WireReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The body as JSON; null if it is not an object. */
  readonly json: Json | null;
}

export type Json = { readonly [key: string]: unknown };

export interface WireCall {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** Sends the body chunked instead of declaring its length. */
  readonly chunked?: boolean;
  /** Replaces the default timeout. */
  readonly timeoutMs?: number;
}

export interface WireOptions {
  /** `http://HOST:PORT` or `https:`, optionally with a path before `/v2`. */
  readonly url: string;
  /** Sent as `Authorization: Bearer …`. */
  readonly token: string | undefined;
  readonly clock: SuiteClock;
  readonly replyTimeoutMs: number;
}

/** The response timed out. After a case fails like this, the runner checks whether the server still responds. */
export class ReplyTimeout extends Error {}

class StaleConnection extends Error {}

const replyBytesMax = 64 * 1024 * 1024;
const rawBytesMax = 1024 * 1024;

export class Wire {
  readonly #url: URL;
  readonly #agent: Agent;
  readonly #options: WireOptions;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #open = new Set<ClientRequest | Socket>();

  constructor(options: WireOptions) {
    this.#options = options;
    this.#url = new URL(options.url);
    const settings = { keepAlive: true, maxSockets: 64 };
    this.#agent = this.#isSecure ? new SecureAgent(settings) : new Agent(settings);
    this.#headers = options.token === undefined ? {} : { authorization: `Bearer ${options.token}` };
  }

  /** Rejects with `ReplyTimeout` after the time limit. Retries if the server has closed a reused connection. */
  async send(path: string, call: WireCall = {}): Promise<WireReply> {
    try {
      return await this.#send(path, call);
    } catch (error) {
      if (!(error instanceof StaleConnection)) throw error;
      return this.#send(path, call);
    }
  }

  #send(path: string, call: WireCall): Promise<WireReply> {
    const { method = call.body === undefined ? 'GET' : 'POST', body, chunked = false } = call;
    const { timeoutMs = this.#options.replyTimeoutMs } = call;
    const length = body === undefined || chunked ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const encoding = chunked ? { 'transfer-encoding': 'chunked' } : {};
    const headers = { ...this.#headers, ...length, ...encoding, ...call.headers };
    return new Promise((resolve, reject) => {
      const send = this.#isSecure ? secureRequest : request;
      const sent = send({ host: this.#host, port: this.#port, path: this.#prefix + path, method, headers, agent: this.#agent });
      let isAnswered = false;
      const fail = (error: Error): void => {
        cancel();
        reject(sent.reusedSocket && !isAnswered && isReset(error) ? new StaleConnection(error.message) : error);
      };
      const cancel = this.#options.clock.after(timeoutMs, () => {
        fail(new ReplyTimeout(`no response to ${method} ${path} within ${timeoutMs} ms`));
        sent.destroy();
      });
      this.#open.add(sent);
      sent.on('error', fail);
      sent.on('close', () => {
        this.#open.delete(sent);
        if (!isAnswered) fail(new ReplyTimeout(`the connection was closed before the response to ${method} ${path}`));
      });
      sent.on('response', (response) => {
        isAnswered = true;
        read(response, replyBytesMax).then((whole) => {
          cancel();
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: whole, json: jsonOf(whole) });
        }, fail);
      });
      if (chunked && body !== undefined) for (let at = 0; at < body.length; at += 7) sent.write(body.slice(at, at + 7));
      sent.end(chunked ? undefined : body);
    });
  }

  /** Sends these exact bytes on a new connection, and returns what was received until `enough` matches or the connection ends. */
  async raw(text: string, enough: (answer: string) => boolean): Promise<string> {
    const socket = await this.#connect();
    let answer = '';
    const done = new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(this.#options.replyTimeoutMs, () => socket.destroy());
      socket.on('close', () => {
        cancel();
        resolve();
      });
      socket.on('data', (chunk) => {
        answer += chunk.toString('latin1');
        if (enough(answer) || answer.length > rawBytesMax) resolve();
      });
    });
    socket.write(this.#completed(text), 'latin1');
    await done;
    socket.destroy();
    return answer;
  }

  /** Sends a request and disconnects before the response. */
  async leave(path: string, body: string): Promise<void> {
    const socket = await this.#connect();
    const head = this.#completed(`POST ${path} HTTP/1.1\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`);
    await new Promise<void>((resolve) => socket.write(head + body, () => resolve()));
    socket.destroy();
  }

  /** Aborts pending calls, so that a finished case leaves nothing behind. */
  abandon(): void {
    for (const each of this.#open) each.destroy();
  }

  close(): void {
    this.abandon();
    this.#agent.destroy();
  }

  #connect(): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const place = { host: this.#host, port: this.#port, servername: this.#host };
      const socket = this.#isSecure ? secureConnect(place, () => connected()) : connect(place, () => connected());
      const timeoutMs = this.#options.replyTimeoutMs;
      const cancel = this.#options.clock.after(timeoutMs, () => socket.destroy(new ReplyTimeout(`no connection within ${timeoutMs} ms`)));
      const connected = (): void => {
        cancel();
        resolve(socket);
      };
      this.#open.add(socket);
      socket.on('close', () => this.#open.delete(socket));
      socket.on('error', (error: Error) => {
        cancel();
        reject(error);
      });
    });
  }

  /** Completes the head of a request with the path prefix and the common headers. */
  #completed(text: string): string {
    const token = this.#headers['authorization'];
    const authorization = token === undefined ? '' : `authorization: ${token}\r\n`;
    return text.replace(/^(\S+) /, (method) => method + this.#prefix).replace('\r\n', `\r\nhost: ${this.#url.host}\r\n${authorization}`);
  }

  get #isSecure(): boolean {
    return this.#url.protocol === 'https:';
  }

  get #host(): string {
    return this.#url.hostname.replace(/^\[(.*)\]$/, '$1');
  }

  get #port(): number {
    return this.#url.port === '' ? (this.#isSecure ? 443 : 80) : Number(this.#url.port);
  }

  get #prefix(): string {
    return this.#url.pathname.replace(/\/+$/, '');
  }
}

/** Rejects a larger response. */
async function read(response: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new Error(`the response is larger than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function isReset(error: Error): boolean {
  return (error as NodeJS.ErrnoException).code === 'ECONNRESET';
}

function jsonOf(body: Buffer): Json | null {
  try {
    return JSON.parse(body.toString('utf8')) as Json;
  } catch {
    return null;
  }
}
