/**
 * Calls of the native API. What comes back has the types that the server's own schemas give it; what is refused is an `ApiError` with the
 * server's words, which say what was expected, what came and what to do.
 */
import type { Page, RefusalBody } from '../../../src/api/index.ts';

export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string | undefined;
  readonly requestId: string | undefined;

  constructor(status: number, body: Partial<RefusalBody>) {
    super(body.error ?? `the server answered ${status}`);
    this.name = 'ApiError';
    this.status = status;
    this.code = body.code ?? 'internal';
    this.hint = body.hint;
    this.requestId = body.request_id;
  }
}

type Scalar = string | number | boolean;
export type Query = Readonly<Record<string, Scalar | undefined | null>>;

const base = '/api/v1';

/** Shown by calls that change something; the session brings it. */
let csrf: string | null = null;

export function bearCsrf(token: string | null): void {
  csrf = token;
}

/** `path('/endpoints/:endpoint', { endpoint })`: with every part escaped. */
export function path(pattern: string, parameters: Readonly<Record<string, Scalar>> = {}): string {
  return pattern.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(String(parameters[name] ?? '')));
}

export function urlOf(place: string, query: Query = {}): string {
  const given = Object.entries(query).flatMap(([name, value]) => (value === undefined || value === null ? [] : [[name, String(value)]]));
  return `${base}${place}${given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`}`;
}

export function get<T>(place: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  return call<T>('GET', place, { query, signal });
}

const pageMax = 500;
const pagesMax = 10;

/** A list to its end, page by page; at most 5,000 things, which no page could show. */
export async function getAll<T>(place: string, query: Query = {}, signal?: AbortSignal): Promise<Page<T>> {
  const items: T[] = [];
  let next: string | null = null;
  for (let page = 0; page < pagesMax; page++) {
    const found: Page<T> = await get<Page<T>>(place, { ...query, limit: pageMax, cursor: next }, signal);
    items.push(...found.items);
    next = found.next;
    if (next === null) break;
  }
  return { items, next };
}

export function post<T>(place: string, body?: unknown, options: CallOptions = {}): Promise<T> {
  return call<T>('POST', place, { body, ...options });
}

export function patch<T>(place: string, body: unknown): Promise<T> {
  return call<T>('PATCH', place, { body });
}

export function remove<T>(place: string): Promise<T> {
  return call<T>('DELETE', place, {});
}

export interface CallOptions {
  readonly query?: Query;
  /** JSON, unless it is a file or a text with a type of its own. */
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
}

export async function call<T>(method: string, place: string, options: CallOptions): Promise<T> {
  const { text } = await callForText(method, place, options);
  return (text === '' ? null : JSON.parse(text)) as T;
}

/** The answer as it came, with its head: for downloads and for the request id. */
export async function callForText(method: string, place: string, options: CallOptions): Promise<{ text: string; headers: Headers }> {
  const { query, body, contentType, signal } = options;
  const headers = new Headers();
  if (method !== 'GET' && csrf !== null) headers.set('x-penstock-csrf', csrf);
  const isBytes = typeof body === 'string' || body instanceof Blob || body instanceof Uint8Array;
  if (body !== undefined) headers.set('content-type', contentType ?? (isBytes ? 'application/octet-stream' : 'application/json'));
  const sent = body === undefined ? {} : { body: isBytes ? (body as BodyInit) : JSON.stringify(body) };
  const response = await reach(urlOf(place, query), { method, headers, ...sent, ...(signal === undefined ? {} : { signal }) });
  const text = await response.text();
  if (!response.ok) throw new ApiError(response.status, refusalIn(text));
  return { text, headers: response.headers };
}

async function reach(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    if (init.signal?.aborted === true) throw error;
    throw new ApiError(0, { error: 'Penstock does not answer: it was stopped, or the network between is down', code: 'unavailable' });
  }
}

function refusalIn(text: string): Partial<RefusalBody> {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === 'object' && body !== null ? body : {};
  } catch {
    return {};
  }
}
