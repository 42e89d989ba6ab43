/** A request and its response on the fast path, with only those members of node:http that inference handlers use. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { STATUS_CODES } from '../node-http.ts';
import type { FastHead } from './fast-head.ts';

/** A request whose body has arrived whole, or is passed to its listener piece by piece. */
export class FastRequest {
  readonly method = 'POST';
  readonly httpVersion = '1.1';
  readonly url: string;
  readonly headers: FastHead['headers'];
  readonly rawHeaders: FastHead['rawHeaders'];
  readonly socket: Socket;
  /** As received, with its head. Of a body in pieces, it has none. */
  readonly bytes: Buffer;
  /** When it arrived at another process, by the clock of this one. */
  readonly arrivedAtMs: number | undefined;
  readonly #headBytes: number;
  #missingBytes: number;
  #listener: ((piece: Buffer) => void) | null = null;

  constructor({ url, headers, rawHeaders, headBytes, bodyBytes }: FastHead, bytes: Buffer, socket: Socket, arrivedAtMs?: number) {
    this.url = url;
    this.headers = headers;
    this.rawHeaders = rawHeaders;
    this.socket = socket;
    this.bytes = bytes;
    this.arrivedAtMs = arrivedAtMs;
    this.#headBytes = headBytes;
    this.#missingBytes = headBytes + bodyBytes - bytes.length;
  }

  get body(): Buffer {
    return this.bytes.subarray(this.#headBytes);
  }

  /** Bytes of the body that have not arrived. */
  get missingBytes(): number {
    return this.#missingBytes;
  }

  get complete(): boolean {
    return this.#missingBytes === 0;
  }

  get destroyed(): boolean {
    return this.socket.destroyed;
  }

  /** Only the first listener for the body counts. What is there already is passed to it at once. */
  on(event: 'data' | 'end' | 'error' | 'close', listener: (chunk: Buffer) => void): this {
    if (event !== 'data' || this.#listener !== null) return this;
    this.#listener = listener;
    const { body } = this;
    if (body.length > 0) listener(body);
    return this;
  }

  /** The next piece of the body, which belongs to the listener. Without one, the request was answered without its body. */
  push(piece: Buffer): void {
    this.#missingBytes -= piece.length;
    this.#listener?.(piece);
  }

  once(event: 'data' | 'end' | 'error' | 'close', listener: (chunk: Buffer) => void): this {
    return this.on(event, listener);
  }

  pause(): this {
    return this;
  }

  resume(): this {
    return this;
  }
}

/** A larger response is not copied behind its head. */
const copiedBytesMax = 32 * 1024;

/** What a response needs of its connection. */
export interface FastResponseDeps {
  readonly socket: Socket;
  /** The value of the header Date. */
  readonly date: () => string;
  readonly keepAliveSeconds: number;
  /** Called once the response is on its way to the client. */
  readonly onEnd: () => void;
}

/** A response of known length. Emits `close` when it was written, or when its client has disconnected. */
export class FastResponse extends EventEmitter {
  readonly req: FastRequest;
  readonly socket: Socket;
  statusCode = 200;
  shouldKeepAlive = true;
  headersSent = false;
  writableEnded = false;
  destroyed = false;
  closed = false;
  readonly #deps: FastResponseDeps;
  #head = '';

  constructor(req: FastRequest, deps: FastResponseDeps) {
    super();
    this.req = req;
    this.socket = deps.socket;
    this.#deps = deps;
  }

  /** `headers` are name, value, name, value, ... and include the length of the body. */
  writeHead(status: number, headers: readonly string[]): this {
    assert(!this.headersSent, 'a response has one head');
    this.statusCode = status;
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n`;
    let hasLength = false;
    for (let i = 0; i < headers.length; i += 2) {
      const [name, value] = [headers[i] as string, headers[i + 1] as string];
      if (!isPrintable(value)) throw new TypeError(`invalid character in the response header ${name}: expected printable ASCII`);
      hasLength ||= name === 'content-length';
      head += `${name}: ${value}\r\n`;
    }
    assert(hasLength, 'a response on the fast path has a content-length');
    this.#head = head;
    this.headersSent = true;
    return this;
  }

  /** Sends head and body in one write: one packet for a small response. `written` is called once the memory of bytes is no longer read. */
  end(body: string, encoding?: 'latin1' | 'utf8'): this;
  end(body?: Uint8Array, written?: () => void): this;
  end(body: string | Uint8Array = '', more: 'latin1' | 'utf8' | (() => void) = 'utf8'): this {
    if (this.writableEnded || this.destroyed) return this;
    this.writableEnded = true;
    const { socket, date, keepAliveSeconds, onEnd } = this.#deps;
    const connection = this.shouldKeepAlive ? `keep-alive\r\nKeep-Alive: timeout=${keepAliveSeconds}` : 'close';
    const head = `${this.#head}Date: ${date()}\r\nConnection: ${connection}\r\n\r\n`;
    const close = (): void => {
      this.close();
      if (typeof more === 'function') more();
    };
    if (typeof body === 'string') socket.write(head + body, more as BufferEncoding, close);
    else if (body.length <= copiedBytesMax) {
      const whole = Buffer.allocUnsafe(head.length + body.length);
      whole.write(head, 0, 'latin1');
      whole.set(body, head.length);
      socket.write(whole, close);
    } else {
      socket.cork();
      socket.write(head, 'latin1');
      socket.write(body, close);
      socket.uncork();
    }
    onEnd();
    return this;
  }

  /** Sends a response that another process has written, with its head. */
  endWith(bytes: Buffer, shouldKeepAlive: boolean): void {
    if (this.writableEnded || this.destroyed) return;
    this.headersSent = true;
    this.writableEnded = true;
    this.shouldKeepAlive = shouldKeepAlive;
    this.socket.write(bytes, () => this.close());
    this.#deps.onEnd();
  }

  destroy(): this {
    this.destroyed = true;
    this.socket.destroy();
    return this;
  }

  /** The response was written, or its connection has ended. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.destroyed = true;
    this.emit('close');
  }
}

function isPrintable(value: string): boolean {
  return !/[^\x20-\x7e]/.test(value);
}
