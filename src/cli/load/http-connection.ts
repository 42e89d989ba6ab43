/**
 * One keep-alive connection of a load generator. It parses only what it needs of a response: a generator as expensive as the
 * server under test would measure itself.
 */
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** A response, with its head as text: most loads only read the status. */
export interface HttpResponse {
  readonly status: number;
  /** Status line and headers. */
  readonly head: string;
  readonly body: Buffer;
}

/** The header `x-request-id`; null if it is missing. */
export function requestIdIn(head: string): string | null {
  return /\r\nx-request-id: *([^\r\n]+)/i.exec(head)?.[1] ?? null;
}

/** Delay before reconnecting, to avoid flooding a server that is down. */
export const reconnectMs = 100;

/** Sends one request at a time; no pipelining. */
export class HttpConnection {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #waiting: { resolve: (answer: HttpResponse) => void; reject: (error: Error) => void } | null = null;
  #closed: Error | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
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

  /** False once the server has closed the connection, for example when it was idle. */
  get isOpen(): boolean {
    return this.#closed === null;
  }

  /** Sends a complete request, head and body, and reads the response. Calls must be sequential. */
  send(request: Buffer): Promise<HttpResponse> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== null) return reject(this.#closed);
      this.#waiting = { resolve, reject };
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const headEnd = this.#received.indexOf('\r\n\r\n');
    if (headEnd === -1) return;
    const head = this.#received.toString('latin1', 0, headEnd);
    const parsed = bodyIn(this.#received, headEnd + 4, head);
    if (parsed === null) return;
    this.#received = this.#received.subarray(parsed.end);
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.resolve({ status: Number(head.slice(9, 12)), head, body: parsed.body });
  }

  #end(error: Error): void {
    this.#closed ??= error;
    this.#waiting?.reject(this.#closed);
    this.#waiting = null;
  }
}

interface Body {
  readonly body: Buffer;
  /** The offset of the next response. */
  readonly end: number;
}

/** Null if the body is incomplete. */
function bodyIn(received: Buffer, from: number, head: string): Body | null {
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length === undefined && /\r\ntransfer-encoding: *chunked/i.test(head)) return chunksIn(received, from);
  const end = from + Number(length ?? 0);
  return received.length < end ? null : { body: received.subarray(from, end), end };
}

/** Decodes a chunked body: process models stream their responses. Null if the body is incomplete. */
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

/** Serializes a POST request, to be sent repeatedly. */
export function postRequest(url: URL, body: string | Buffer, headers: Readonly<Record<string, string>> = {}): Buffer {
  const content = Buffer.from(body);
  const lines = Object.entries({ Host: url.host, 'Content-Length': String(content.length), ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  return Buffer.concat([Buffer.from(`POST ${url.pathname}${url.search} HTTP/1.1\r\n${lines.join('')}\r\n`), content]);
}
