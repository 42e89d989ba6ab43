/**
 * A client of the native API. Response types come from the server's schemas. A failed call throws an `ApiError` with the server's message
 * and hint.
 */
import type { ErrorResponseBody, PageBody } from '../../../src/api/index.ts';
import { reachability } from './away.ts';

/** `status` is 0 if the server did not respond. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string | undefined;
  readonly requestId: string | undefined;

  constructor(status: number, body: Partial<ErrorResponseBody>) {
    super(body.error ?? `the server responded with status ${status}`);
    this.name = 'ApiError';
    this.status = status;
    this.code = body.code ?? 'internal';
    this.hint = body.hint;
    this.requestId = body.request_id;
  }
}

type Scalar = string | number | boolean;
export type QueryParameters = Readonly<Record<string, Scalar | undefined | null>>;

const base = '/api/v1';

/** Sent with all calls except GET; part of the session. */
let csrf: string | null = null;

export function setCsrfToken(token: string | null): void {
  csrf = token;
}

/** `path('/endpoints/:endpoint', { endpoint })`, with each parameter escaped. */
export function path(pattern: string, parameters: Readonly<Record<string, Scalar>> = {}): string {
  return pattern.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(String(parameters[name] ?? '')));
}

export function urlOf(place: string, query: QueryParameters = {}): string {
  const parameters = Object.entries(query).flatMap(([name, value]) =>
    value === undefined || value === null ? [] : [[name, String(value)]],
  );
  return `${base}${place}${parameters.length === 0 ? '' : `?${new URLSearchParams(parameters).toString()}`}`;
}

export function get<T>(place: string, query: QueryParameters = {}, signal?: AbortSignal): Promise<T> {
  return call<T>('GET', place, { query, signal });
}

const pageMax = 500;
const pagesMax = 10;

/** Reads all pages of a list, up to 5,000 items, which is more than any page shows. */
export async function getAll<T>(place: string, query: QueryParameters = {}, signal?: AbortSignal): Promise<PageBody<T>> {
  const items: T[] = [];
  let next: string | null = null;
  for (let page = 0; page < pagesMax; page++) {
    const found: PageBody<T> = await get<PageBody<T>>(place, { ...query, limit: pageMax, cursor: next }, signal);
    items.push(...found.items);
    next = found.next;
    if (next === null) break;
  }
  return { items, next };
}

/** `body` is sent as JSON unless it is a string or binary data. */
export function post<T>(place: string, body?: unknown, options: CallOptions = {}): Promise<T> {
  return call<T>('POST', place, { body, ...options });
}

export function put<T>(place: string, body: unknown): Promise<T> {
  return call<T>('PUT', place, { body });
}

export function patch<T>(place: string, body: unknown): Promise<T> {
  return call<T>('PATCH', place, { body });
}

export function remove<T>(place: string): Promise<T> {
  return call<T>('DELETE', place, {});
}

export interface CallOptions {
  readonly query?: QueryParameters;
  /** Sent as JSON, except for strings and binary data, which are sent unchanged. */
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
}

export async function call<T>(method: string, place: string, options: CallOptions): Promise<T> {
  const { text } = await callForText(method, place, options);
  return (text === '' ? null : JSON.parse(text)) as T;
}

/** The response as text with its headers, for downloads and the request ID. */
export async function callForText(method: string, place: string, options: CallOptions): Promise<{ text: string; headers: Headers }> {
  const { query, body, contentType, signal } = options;
  const headers = new Headers();
  if (method !== 'GET' && csrf !== null) headers.set('x-penstock-csrf', csrf);
  const isBytes = typeof body === 'string' || body instanceof Blob || body instanceof Uint8Array;
  if (body !== undefined) headers.set('content-type', contentType ?? (isBytes ? 'application/octet-stream' : 'application/json'));
  const sent = body === undefined ? {} : { body: isBytes ? (body as BodyInit) : JSON.stringify(body) };
  const response = await fetchOrThrow(urlOf(place, query), { method, headers, ...sent, ...(signal === undefined ? {} : { signal }) });
  const text = await response.text();
  if (!response.ok) throw new ApiError(response.status, parseError(text));
  return { text, headers: response.headers };
}

async function fetchOrThrow(url: string, init: RequestInit): Promise<Response> {
  try {
    const response = await fetch(url, init);
    reachability.responded();
    return response;
  } catch (error) {
    if (init.signal?.aborted === true) throw error;
    reachability.failed();
    throw new ApiError(0, { error: 'Penstock does not respond: it was stopped, or the network is down', code: 'unavailable' });
  }
}

function parseError(text: string): Partial<ErrorResponseBody> {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === 'object' && body !== null ? body : {};
  } catch {
    return {};
  }
}
