/**
 * One keep-alive connection of a load generator: bytes out, status and length in. A generator that costs as much as
 * the server it loads measures itself, so this reads just what it needs of an answer.
 */
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

export interface HttpAnswer {
  readonly status: number;
  /** Status line and headers. */
  readonly head: string;
  readonly body: Buffer;
}

/** What its `x-request-id` says; null where it has none. */
export function requestIdIn(head: string): string | null {
  return /\r\nx-request-id: *([^\r\n]+)/i.exec(head)?.[1] ?? null;
}

/** So long one waits before a connection is tried again that broke or was not to be had, so that a server that is gone is not hammered. */
export const againMs = 100;

export class HttpConnection {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #waiting: { resolve: (answer: HttpAnswer) => void; reject: (error: Error) => void } | null = null;
  #closed: Error | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error) => this.#end(error));
    socket.on('close', () => this.#end(new Error('the server closed the connection')));
  }

  static open(host: string, port: number, isTls = false): Promise<HttpConnection> {
    return new Promise((resolve, reject) => {
      const socket = isTls ? connectTls({ host, port, servername: isIP(host) === 0 ? host : '' }) : connect({ host, port });
      socket.once('error', reject);
      socket.once(isTls ? 'secureConnect' : 'connect', () => {
        socket.off('error', reject);
        resolve(new HttpConnection(socket));
      });
    });
  }

  /** False once the server has closed it: after a while without a request, say. */
  get isOpen(): boolean {
    return this.#closed === null;
  }

  /** Sends a whole request, head and body, and reads the answer. One at a time. */
  send(request: Buffer): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== null) return reject(this.#closed);
      this.#waiting = { resolve, reject };
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const headEnd = this.#received.indexOf('\r\n\r\n');
    if (headEnd === -1) return;
    const head = this.#received.toString('latin1', 0, headEnd);
    const whole = bodyIn(this.#received, headEnd + 4, head);
    if (whole === null) return;
    this.#received = this.#received.subarray(whole.end);
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.resolve({ status: Number(head.slice(9, 12)), head, body: whole.body });
  }

  #end(error: Error): void {
    this.#closed ??= error;
    this.#waiting?.reject(this.#closed);
    this.#waiting = null;
  }
}

interface Body {
  readonly body: Buffer;
  /** Where the next answer begins. */
  readonly end: number;
}

/** Null where it has not come whole. */
function bodyIn(received: Buffer, from: number, head: string): Body | null {
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length === undefined && /\r\ntransfer-encoding: *chunked/i.test(head)) return chunksIn(received, from);
  const end = from + Number(length ?? 0);
  return received.length < end ? null : { body: received.subarray(from, end), end };
}

/** What a model that is a process streams comes in chunks: its size in hexadecimal before each, and an empty one at the end. */
function chunksIn(received: Buffer, from: number): Body | null {
  const chunks: Buffer[] = [];
  for (let at = from; ; ) {
    const lineEnd = received.indexOf('\r\n', at);
    if (lineEnd === -1) return null;
    const size = Number.parseInt(received.toString('latin1', at, lineEnd), 16) || 0;
    const chunkFrom = lineEnd + 2;
    const end = chunkFrom + size + 2;
    if (received.length < end) return null;
    if (size === 0) return { body: Buffer.concat(chunks), end };
    chunks.push(received.subarray(chunkFrom, end - 2));
    at = end;
  }
}

/** A POST as bytes, ready to be sent again and again. */
export function postRequest(url: URL, body: string | Buffer, headers: Readonly<Record<string, string>> = {}): Buffer {
  const content = Buffer.from(body);
  const lines = Object.entries({ Host: url.host, 'Content-Length': String(content.length), ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  return Buffer.concat([Buffer.from(`POST ${url.pathname}${url.search} HTTP/1.1\r\n${lines.join('')}\r\n`), content]);
}
