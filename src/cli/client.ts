/** The native API as the verbs call it: JSON in and out, files streamed, refusals as errors that say what to do. */
import type { Page, RefusalBody } from '../api/index.ts';
import { Failure, Refusal } from './failure.ts';

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Call {
  readonly query?: Query;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is. */
  readonly body?: Uint8Array | ReadableStream<Uint8Array>;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One part of a path, so that no name can become another path. */
export function part(name: string): string {
  return encodeURIComponent(name);
}

export class Client {
  readonly url: string;
  readonly #key: string | undefined;
  readonly #signal: AbortSignal;

  /** `url` as `http://127.0.0.1:8080`, `key` as `ID:SECRET`; the signal ends every call under way. */
  constructor(url: string, key: string | undefined, signal: AbortSignal) {
    this.url = url.replace(/\/+$/, '');
    this.#key = key;
    this.#signal = signal;
  }

  get<T>(path: string, call: Call = {}): Promise<T> {
    return this.#json<T>('GET', path, call);
  }

  post<T>(path: string, call: Call = {}): Promise<T> {
    return this.#json<T>('POST', path, call);
  }

  patch<T>(path: string, call: Call = {}): Promise<T> {
    return this.#json<T>('PATCH', path, call);
  }

  async delete(path: string): Promise<void> {
    await this.#send('DELETE', path, {});
  }

  /** The answer as it came. */
  async text(method: string, path: string, call: Call): Promise<string> {
    return (await this.#send(method, path, call)).text();
  }

  /** Every item of a list that comes in pages. */
  async all<T>(path: string, query: Query = {}): Promise<T[]> {
    const items: T[] = [];
    for (let cursor: string | undefined; ; ) {
      const page: Page<T> = await this.get(path, { query: { ...query, limit: 500, cursor } });
      items.push(...page.items);
      if (page.next === null) return items;
      cursor = page.next;
    }
  }

  /** The data of each event of a stream, until the server ends it or the verb is interrupted. */
  async *events(path: string, call: Call = {}): AsyncGenerator<string> {
    const response = await this.#send('GET', path, { ...call, headers: { accept: 'text/event-stream' } });
    if (response.body === null) return;
    let text = '';
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body as ReadableStream<Uint8Array>) {
        text += decoder.decode(chunk, { stream: true });
        const events = text.split('\n\n');
        text = events.pop() ?? '';
        for (const event of events) {
          const data = event.split('\n').filter((line) => line.startsWith('data:'));
          if (data.length > 0) yield data.map((line) => line.slice(5).replace(/^ /, '')).join('\n');
        }
      }
    } catch (cause) {
      if (this.#signal.aborted) return;
      throw new Failure(`the connection to ${this.url} broke: see whether the server still runs with penstock status`, 1, { cause });
    }
  }

  async #json<T>(method: string, path: string, call: Call): Promise<T> {
    const response = await this.#send(method, path, call);
    const text = await response.text();
    try {
      return (text === '' ? null : JSON.parse(text)) as T;
    } catch (cause) {
      throw new Failure(`what answers at ${this.url} is no Penstock: check PENSTOCK_URL`, 1, { cause });
    }
  }

  async #send(method: string, path: string, call: Call): Promise<Response> {
    const headers: Record<string, string> = { ...call.headers };
    if (this.#key !== undefined) headers.authorization = `Bearer ${this.#key}`;
    const body = call.json === undefined ? call.body : JSON.stringify(call.json);
    if (body !== undefined)
      headers['content-type'] = call.json === undefined ? (call.contentType ?? 'application/octet-stream') : 'application/json';
    let response: Response;
    try {
      const init: RequestInit = { method, headers, body: body ?? null, duplex: 'half', signal: this.#signal };
      response = await fetch(`${this.url}/api/v1${path}${queryText(call.query)}`, init);
    } catch (cause) {
      throw this.#unreachable(cause);
    }
    if (!response.ok) throw await this.#refusal(response);
    return response;
  }

  #unreachable(cause: unknown): Failure {
    if (this.#signal.aborted) return new Failure('interrupted', 1, { cause });
    const reason = (cause as { cause?: { code?: string; message?: string } }).cause;
    const code = reason?.code ?? '';
    if (code === 'ECONNREFUSED' || code === 'ENOENT') {
      return new Failure(`no Penstock answers at ${this.url}: start one with \`penstock up\`, or set PENSTOCK_URL`, 1, { cause });
    }
    if (/CERT|SIGNED|ALTNAME|VERIFY/.test(code)) {
      return new Failure(
        `the certificate of ${this.url} is not trusted (${code}): set NODE_EXTRA_CA_CERTS to the file of its authority (--tls self-signed: tls-cert.pem in the data directory)`,
        1,
        { cause },
      );
    }
    if (reason?.message === 'bad port') {
      return new Failure(`HTTP clients refuse to talk to the port of ${this.url}: start the server on another --port, such as 8080`, 1, {
        cause,
      });
    }
    const detail = reason?.message ?? (cause instanceof Error ? cause.message : String(cause));
    return new Failure(`no Penstock answers at ${this.url} (${detail || code}): check PENSTOCK_URL, or start one with \`penstock up\``, 1, {
      cause,
    });
  }

  async #refusal(response: Response): Promise<Failure> {
    const text = await response.text().catch(() => '');
    if (response.headers.get('x-penstock-error') === 'model_failed') {
      return new Refusal(
        response.status,
        'model_failed',
        `the model answered with status ${response.status}: ${text.trim().slice(0, 2000)}`,
      );
    }
    let body: Partial<RefusalBody>;
    try {
      body = JSON.parse(text) as Partial<RefusalBody>;
    } catch {
      body = {};
    }
    if (typeof body?.error !== 'string') {
      return new Failure(`${this.url} answered ${response.status} in a form that is not Penstock's: check PENSTOCK_URL`);
    }
    const hint = body.hint ?? (response.status === 401 ? 'set PENSTOCK_KEY, as with eval "$(penstock env)"' : undefined);
    return new Refusal(response.status, body.code ?? '', hint === undefined ? body.error : `${body.error}; ${hint}`);
  }
}

function queryText(query: Query | undefined): string {
  const given = Object.entries(query ?? {}).filter((pair): pair is [string, string | number | boolean] => pair[1] !== undefined);
  return given.length === 0
    ? ''
    : `?${new URLSearchParams(given.map(([key, value]): [string, string] => [key, String(value)])).toString()}`;
}
