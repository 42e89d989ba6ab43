/** HTTP client of the native API: JSON in and out, streamed files, error responses thrown as errors that say what to do. */
import type { IncomingMessage } from 'node:http';
import type { ErrorResponseBody, PageBody } from '../../api/index.ts';
import { CliError, ServerError } from '../cli-error.ts';
import { terminalJson, terminalText } from '../output/terminal-text.ts';
import { type SentBody, sendRequest, textOfResponse } from './send-request.ts';

/** Undefined parameters are left out. */
export type ClientQuery = Readonly<Record<string, string | number | boolean | undefined>>;

/** One request. It has at most one of `json` and `body`. */
export interface ClientCall {
  readonly query?: ClientQuery;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent unchanged. */
  readonly body?: SentBody;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Encodes one path segment, so a name cannot change the path. */
export function pathSegment(name: string): string {
  return encodeURIComponent(name);
}

/** A client of one server. All its calls end when the verb is interrupted. */
export class Client {
  readonly url: string;
  readonly #key: string | undefined;
  readonly #signal: AbortSignal;
  readonly #isExact: boolean;

  /**
   * `url` as `http://127.0.0.1:8080`, `key` as `ID:SECRET`. The signal aborts all calls in flight. Unless `isExact`, texts of responses are
   * made safe for a terminal.
   */
  constructor(url: string, key: string | undefined, signal: AbortSignal, isExact = false) {
    this.url = url.replace(/\/+$/, '');
    this.#key = key;
    this.#signal = signal;
    this.#isExact = isExact;
  }

  get<T>(path: string, call: ClientCall = {}): Promise<T> {
    return this.#json<T>('GET', path, call);
  }

  post<T>(path: string, call: ClientCall = {}): Promise<T> {
    return this.#json<T>('POST', path, call);
  }

  put<T>(path: string, call: ClientCall = {}): Promise<T> {
    return this.#json<T>('PUT', path, call);
  }

  patch<T>(path: string, call: ClientCall = {}): Promise<T> {
    return this.#json<T>('PATCH', path, call);
  }

  async delete(path: string): Promise<void> {
    await this.#text(await this.#send('DELETE', path, {}));
  }

  /** The unparsed response body. */
  async text(method: string, path: string, call: ClientCall): Promise<string> {
    return this.#text(await this.#send(method, path, call));
  }

  /** All items of a paginated list. */
  async all<T>(path: string, query: ClientQuery = {}): Promise<T[]> {
    const items: T[] = [];
    for (let cursor: string | undefined; ; ) {
      const page: PageBody<T> = await this.get(path, { query: { ...query, limit: 500, cursor } });
      items.push(...page.items);
      if (page.next === null) return items;
      cursor = page.next;
    }
  }

  /** The data of each server-sent event, until the server ends the stream or the verb is interrupted. */
  async *events(path: string, call: ClientCall = {}): AsyncGenerator<string> {
    const response = await this.#send('GET', path, { ...call, headers: { accept: 'text/event-stream' } });
    let text = '';
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        text += decoder.decode(chunk, { stream: true });
        const events = text.split('\n\n');
        text = events.pop() ?? '';
        for (const event of events) {
          const data = event.split('\n').filter((line) => line.startsWith('data:'));
          if (data.length > 0) yield this.#shown(data.map((line) => line.slice(5).replace(/^ /, '')).join('\n'));
        }
      }
    } catch (cause) {
      if (this.#signal.aborted) return;
      throw this.#lost(cause);
    }
  }

  async #json<T>(method: string, path: string, call: ClientCall): Promise<T> {
    const response = await this.#send(method, path, call);
    const text = await this.#text(response);
    try {
      return (text === '' ? null : JSON.parse(this.#shown(text))) as T;
    } catch (cause) {
      throw new CliError(`${this.url} is not a Penstock server: expected a JSON response. Check PENSTOCK_URL`, 1, { cause });
    }
  }

  async #text(response: IncomingMessage): Promise<string> {
    try {
      return await textOfResponse(response);
    } catch (cause) {
      throw this.#signal.aborted ? new CliError('interrupted', 1, { cause }) : this.#lost(cause);
    }
  }

  #lost(cause: unknown): CliError {
    return new CliError(`lost the connection to ${this.url}: check that the server is still running with \`penstock status\``, 1, {
      cause,
    });
  }

  #shown(json: string): string {
    return this.#isExact ? json : terminalJson(json);
  }

  async #send(method: string, path: string, call: ClientCall): Promise<IncomingMessage> {
    const headers: Record<string, string> = { ...call.headers };
    if (this.#key !== undefined) headers.authorization = `Bearer ${this.#key}`;
    const body = call.json === undefined ? call.body : JSON.stringify(call.json);
    if (body !== undefined)
      headers['content-type'] = call.json === undefined ? (call.contentType ?? 'application/octet-stream') : 'application/json';
    let response: IncomingMessage;
    try {
      const url = `${this.url}/api/v1${path}${queryText(call.query)}`;
      response = await sendRequest(url, { method, headers, body, signal: this.#signal });
    } catch (cause) {
      throw this.#unreachable(cause);
    }
    const { statusCode: status = 0 } = response;
    if (status < 200 || status > 299) throw await this.#errorOf(status, response);
    return response;
  }

  #unreachable(cause: unknown): CliError {
    if (this.#signal.aborted) return new CliError('interrupted', 1, { cause });
    const { code = '', message = '' } = cause as { code?: string; message?: string };
    if (code === 'ECONNREFUSED' || code === 'ENOENT') {
      return new CliError(`no Penstock server is running at ${this.url}: start one with \`penstock up\`, or set PENSTOCK_URL`, 1, {
        cause,
      });
    }
    if (/CERT|SIGNED|ALTNAME|VERIFY/.test(code)) {
      return new CliError(
        `the certificate of ${this.url} is not trusted (${code}): set NODE_EXTRA_CA_CERTS to the certificate file of its CA (with --tls self-signed: tls-cert.pem in the data directory)`,
        1,
        { cause },
      );
    }
    return new CliError(
      `cannot reach a Penstock server at ${this.url} (${message || code}): check PENSTOCK_URL, or start one with \`penstock up\``,
      1,
      {
        cause,
      },
    );
  }

  async #errorOf(status: number, response: IncomingMessage): Promise<CliError> {
    const text = await textOfResponse(response).catch(() => '');
    if (response.headers['x-penstock-error'] === 'model_failed') {
      return new ServerError(status, 'model_failed', `the model returned status ${status}: ${terminalText(text.trim().slice(0, 2000))}`);
    }
    let body: Partial<ErrorResponseBody>;
    try {
      body = JSON.parse(terminalJson(text)) as Partial<ErrorResponseBody>;
    } catch {
      body = {};
    }
    if (typeof body?.error !== 'string') {
      const { location } = response.headers;
      const redirection = location === undefined ? '' : ` (moved to ${terminalText(location.slice(0, 200))})`;
      return new CliError(
        `${this.url} is not a Penstock server: it answered ${status}${redirection} without a Penstock error body. Check PENSTOCK_URL`,
      );
    }
    const hint = body.hint ?? (status === 401 ? 'set PENSTOCK_KEY, for example with eval "$(penstock env)"' : undefined);
    // The log of the model's output has the id, and finds its lines by it.
    const id = body.code === 'model_failed' && body.request_id !== undefined ? ` (request ${body.request_id})` : '';
    return new ServerError(status, body.code ?? '', `${body.error}${id}${hint === undefined ? '' : `; ${hint}`}`);
  }
}

function queryText(query: ClientQuery | undefined): string {
  const provided = Object.entries(query ?? {}).filter((pair): pair is [string, string | number | boolean] => pair[1] !== undefined);
  return provided.length === 0
    ? ''
    : `?${new URLSearchParams(provided.map(([key, value]): [string, string] => [key, String(value)])).toString()}`;
}
