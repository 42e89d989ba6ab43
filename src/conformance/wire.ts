/**
 * HTTP as bare as it gets: what is sent and what comes back, byte for byte. Whatever the other side does, every call ends:
 * it has a time limit as a whole, and so many bytes at most are read.
 */
import { Agent, type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { Agent as SecureAgent, request as secureRequest } from 'node:https';
import { connect, type Socket } from 'node:net';
import { connect as secureConnect } from 'node:tls';
import type { Clock } from '../clock.ts';

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The body as JSON; null where it is none. */
  readonly json: Json | null;
}

export type Json = { readonly [key: string]: unknown };

export interface Call {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** Sends the body in chunks instead of announcing its length. */
  readonly chunked?: boolean;
  /** Instead of the usual limit. */
  readonly timeoutMs?: number;
}

export interface WireOptions {
  /** `http://HOST:PORT`, `https:` too, with a path in front of `/v2` where there is one. */
  readonly url: string;
  /** Sent as `Authorization: Bearer …`. */
  readonly token: string | undefined;
  readonly clock: Clock;
  readonly replyTimeoutMs: number;
}

/** No answer in time: of a case that fails so it is asked whether the server still lives. */
export class NoAnswer extends Error {}

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

  /** Rejects with `NoAnswer` after the time limit. A kept connection that the server has closed meanwhile is no answer of its. */
  async send(path: string, call: Call = {}): Promise<Reply> {
    try {
      return await this.#send(path, call);
    } catch (error) {
      if (!(error instanceof StaleConnection)) throw error;
      return this.#send(path, call);
    }
  }

  #send(path: string, call: Call): Promise<Reply> {
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
        fail(new NoAnswer(`no answer to ${method} ${path} within ${timeoutMs} ms`));
        sent.destroy();
      });
      this.#open.add(sent);
      sent.on('error', fail);
      sent.on('close', () => {
        this.#open.delete(sent);
        if (!isAnswered) fail(new NoAnswer(`the connection was closed before ${method} ${path} was answered`));
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

  /** Sends these very bytes on a connection of their own, and reads until `enough` or the end. Answers what came. */
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

  /** Sends a request and leaves before the answer. */
  async leave(path: string, body: string): Promise<void> {
    const socket = await this.#connect();
    const head = this.#completed(`POST ${path} HTTP/1.1\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`);
    await new Promise<void>((resolve) => socket.write(head + body, () => resolve()));
    socket.destroy();
  }

  /** Ends what is still under way: a case that is over leaves nothing behind. */
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
      const cancel = this.#options.clock.after(timeoutMs, () => socket.destroy(new NoAnswer(`no connection within ${timeoutMs} ms`)));
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

  /** The head of a request, with the prefix in its path and with the headers that every request has. */
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

/** Rejects where there is more. */
async function read(response: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new Error(`the answer has more than ${bytesMax} bytes`);
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
