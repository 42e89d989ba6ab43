/**
 * Which callers the server has admitted. A gateway process knows no keys: the first request of a caller is forwarded to the server, and
 * its response says whether the caller may invoke and has no limits. This admission is valid for half a second.
 *
 * It applies only to requests without other headers that could change the answer.
 */
import type { Clock } from '../clock.ts';

/** A revoked key is rejected everywhere after this time. */
const validMs = 500;
/** Callers are few; a client that sends random keys only clears this cache. */
const callersMax = 10_000;

/** Headers that affect neither authentication nor the response, apart from those that a gateway process handles itself. */
const plainNames: ReadonlySet<string> = new Set([
  'accept',
  'accept-encoding',
  'accept-language',
  'authorization',
  'cache-control',
  'connection',
  'content-length',
  'content-type',
  'host',
  'inference-header-content-length',
  'pragma',
  'traceparent',
  'tracestate',
  'user-agent',
  'x-request-id',
]);

interface Admission {
  readonly host: string | undefined;
  readonly untilMs: number;
}

/** The part of a request by which its caller is known. */
export interface AdmittedRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly socket: object;
}

/** A revoked key is noticed within half a second. */
export class AdmittedCallers {
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #byKey = new Map<string, Admission>();
  /** Callers without a key are known by their connection. */
  #byConnection = new WeakMap<object, Admission>();

  constructor(clock: Pick<Clock, 'nowMs'>) {
    this.#clock = clock;
  }

  /** Whether the server has admitted this caller within the last half second. */
  has({ headers, socket }: AdmittedRequest): boolean {
    const { authorization, host } = headers;
    const known = authorization === undefined ? this.#byConnection.get(socket) : this.#byKey.get(authorization);
    if (known === undefined || this.#clock.nowMs() >= known.untilMs) return false;
    // The Host header of a caller without a key decides whether it needs one.
    return authorization !== undefined || known.host === host;
  }

  /** All callers must be admitted again. */
  clear(): void {
    this.#byKey.clear();
    this.#byConnection = new WeakMap();
  }

  /** The server has admitted the caller of a request that was forwarded at `sentAtMs`. */
  add({ headers, socket }: AdmittedRequest, sentAtMs: number): void {
    const { authorization, host } = headers;
    const admission = { host, untilMs: sentAtMs + validMs };
    if (authorization === undefined) {
      this.#byConnection.set(socket, admission);
      return;
    }
    if (this.#byKey.size >= callersMax) this.#byKey.clear();
    this.#byKey.set(authorization, admission);
  }
}

/** Heads are cached by their text, so most requests of a client share the object of their headers. */
const plain = new WeakMap<object, boolean>();

/** Whether the request has only headers that a gateway process understands. */
export function hasPlainHeaders({ headers }: Pick<AdmittedRequest, 'headers'>): boolean {
  let isPlain = plain.get(headers);
  if (isPlain === undefined) {
    isPlain = Object.keys(headers).every((name) => plainNames.has(name));
    plain.set(headers, isPlain);
  }
  return isPlain;
}
