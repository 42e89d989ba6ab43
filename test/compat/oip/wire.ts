/** HTTP as bare as it gets: what is sent and what comes back, byte for byte. */
import { once } from 'node:events';
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';

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
}

const replyTimeoutMs = 30_000;

export class Wire {
  readonly #url: URL;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });
  readonly #headers: Readonly<Record<string, string>>;

  /** `key` is ID:SECRET. */
  constructor(url: string, key: string | undefined) {
    this.#url = new URL(url);
    this.#headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  }

  send(path: string, call: Call = {}): Promise<Reply> {
    const { method = call.body === undefined ? 'GET' : 'POST', body, chunked = false } = call;
    const length = body === undefined || chunked ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const encoding = chunked ? { 'transfer-encoding': 'chunked' } : {};
    const headers = { ...this.#headers, ...length, ...encoding, ...call.headers };
    return new Promise((resolve, reject) => {
      const { hostname: host, port } = this.#url;
      const sent = request({ host, port, path, method, headers, agent: this.#agent, timeout: replyTimeoutMs }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const whole = Buffer.concat(chunks);
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: whole, json: jsonOf(whole) });
        });
      });
      sent.on('error', reject);
      sent.on('timeout', () => sent.destroy(new Error(`no answer to ${method} ${path} within ${replyTimeoutMs} ms`)));
      if (chunked && body !== undefined) for (let at = 0; at < body.length; at += 7) sent.write(body.slice(at, at + 7));
      sent.end(chunked ? undefined : body);
    });
  }

  /** Sends these very bytes on a connection of their own, and reads until `enough` or the end. Answers what came. */
  async raw(text: string, enough: (answer: string) => boolean): Promise<string> {
    const socket = connect(Number(this.#url.port), this.#url.hostname);
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    let answer = '';
    const done = new Promise<void>((resolve) => {
      socket.setTimeout(replyTimeoutMs, () => socket.destroy());
      socket.on('close', () => resolve());
      socket.on('data', (chunk) => {
        answer += chunk.toString('latin1');
        if (enough(answer)) resolve();
      });
    });
    socket.write(text.replace('\r\n', `\r\nhost: ${this.#url.host}\r\n${this.#authorization}`), 'latin1');
    await done;
    socket.destroy();
    return answer;
  }

  /** Sends a request and leaves before the answer. */
  async leave(path: string, body: string): Promise<void> {
    const socket = connect(Number(this.#url.port), this.#url.hostname);
    await once(socket, 'connect');
    const head = `POST ${path} HTTP/1.1\r\nhost: ${this.#url.host}\r\n${this.#authorization}content-length: ${Buffer.byteLength(body)}\r\n\r\n`;
    await new Promise<void>((resolve) => socket.write(head + body, () => resolve()));
    socket.destroy();
  }

  close(): void {
    this.#agent.destroy();
  }

  get #authorization(): string {
    return this.#headers['authorization'] === undefined ? '' : `authorization: ${this.#headers['authorization']}\r\n`;
  }
}

function jsonOf(body: Buffer): Json | null {
  try {
    return JSON.parse(body.toString('utf8')) as Json;
  } catch {
    return null;
  }
}
