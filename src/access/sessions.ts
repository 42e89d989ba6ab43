/**
 * Browser sessions: a cookie instead of a key, opened with a key or with the link that the server prints at start.
 * Sessions live only in memory, so no credential is written to disk and a restart ends them all. Only hashes of their
 * secrets are retained.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import type { Caller, SessionFacts } from './caller.ts';

/** A new session for a browser. */
export interface OpenedSession {
  /** Value of the cookie; not retained by the server. */
  readonly token: string;
  readonly caller: Caller;
}

interface Session {
  readonly caller: Caller;
  readonly facts: SessionFacts;
  usedAtMs: number;
}

const hourMs = 3_600_000;
/** Lifetimes in milliseconds, and numbers of sessions. */
export const sessionLimits = {
  /** Maximum lifetime, regardless of use. */
  lifeMs: 7 * 24 * hourMs,
  /** Lifetime without a call. */
  idleMs: 12 * hourMs,
  linkLifeMs: 15 * 60_000,
  /** Per key: the least recently used session of that key is evicted, so that one key cannot evict others. */
  perKeyMax: 20,
  max: 2000,
} as const;

/** A session has the rights of its key. Revoking the key ends it. */
export class Sessions {
  readonly #clock: Clock;
  readonly #random: (bytes: number) => Buffer;
  /** Keyed by the hash of the token. */
  readonly #open = new Map<string, Session>();
  /** Key and expiry of each link, by its hash. */
  readonly #links = new Map<string, { readonly keyId: string; readonly untilMs: number }>();

  constructor(clock: Clock, random: (bytes: number) => Buffer = randomBytes) {
    this.#clock = clock;
    this.#random = random;
  }

  /** A one-time secret that opens a session of the key within 15 minutes. A newer link replaces it. */
  link(keyId: string): string {
    for (const [hash, link] of this.#links) if (link.keyId === keyId) this.#links.delete(hash);
    const secret = this.#secret();
    this.#links.set(hashOf(secret), { keyId, untilMs: this.#clock.nowMs() + sessionLimits.linkLifeMs });
    return secret;
  }

  /** Consumes a link and returns its key id. Throws `unauthenticated` if the link is unknown, used or expired. */
  redeem(secret: string): string {
    const hash = hashOf(secret);
    const link = this.#links.get(hash);
    this.#links.delete(hash);
    if (link !== undefined && this.#clock.nowMs() < link.untilMs) return link.keyId;
    const why = 'the link was already used, is older than 15 minutes, or belongs to an earlier start';
    throw new PlatformError('unauthenticated', `${why}: sign in with a key, or restart the server for another link`);
  }

  /** The least recently used session of the key, or of all keys, ends if there are too many. Only a hash of the token is kept. */
  open({ keyId, role, limiter }: Caller): OpenedSession {
    this.#removeExpired();
    const own = [...this.#open].filter(([, session]) => session.caller.keyId === keyId);
    if (own.length >= sessionLimits.perKeyMax) this.#dropOldest(own);
    if (this.#open.size >= sessionLimits.max) this.#dropOldest([...this.#open]);
    const token = this.#secret();
    const facts = { csrfToken: this.#secret(), expiresAtMs: this.#clock.wallMs() + sessionLimits.lifeMs };
    const caller = { keyId, role, ...(limiter === undefined ? {} : { limiter }), session: facts };
    const session = { caller, facts, usedAtMs: this.#clock.wallMs() };
    this.#open.set(hashOf(token), session);
    return { token, caller: session.caller };
  }

  /** The caller of the session; undefined if it is unknown or expired. */
  callerOf(token: string): Caller | undefined {
    const hash = hashOf(token);
    const session = this.#open.get(hash);
    if (session === undefined) return undefined;
    const nowMs = this.#clock.wallMs();
    if (this.#isExpired(session, nowMs)) {
      this.#open.delete(hash);
      return undefined;
    }
    session.usedAtMs = nowMs;
    return session.caller;
  }

  end(token: string): void {
    this.#open.delete(hashOf(token));
  }

  /** Ends all sessions and links of a revoked key. */
  endOf(keyId: string): void {
    for (const [hash, session] of this.#open) if (session.caller.keyId === keyId) this.#open.delete(hash);
    for (const [hash, link] of this.#links) if (link.keyId === keyId) this.#links.delete(hash);
  }

  #secret(): string {
    return this.#random(32).toString('base64url');
  }

  #isExpired({ facts, usedAtMs }: Session, nowMs: number): boolean {
    return nowMs >= facts.expiresAtMs || nowMs >= usedAtMs + sessionLimits.idleMs;
  }

  #removeExpired(): void {
    const nowMs = this.#clock.wallMs();
    for (const [hash, session] of this.#open) if (this.#isExpired(session, nowMs)) this.#open.delete(hash);
  }

  #dropOldest(sessions: readonly (readonly [string, Session])[]): void {
    const [oldest] = sessions.toSorted(([, a], [, b]) => a.usedAtMs - b.usedAtMs);
    if (oldest !== undefined) this.#open.delete(oldest[0]);
  }
}

/** Lookup by hash prevents guessing a secret character by character from timing. */
function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url');
}
