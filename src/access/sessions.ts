/**
 * Sessions of browsers: a cookie in place of a key. Who shows a key, or the link that the server prints at its start, gets
 * one. They live in memory: nothing that opens a door is written down, and a restart ends them all. Of every secret only
 * its hash is kept.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import type { Caller, SessionFacts } from './caller.ts';

/** What a browser is given. */
export interface OpenedSession {
  /** Of the cookie; nowhere else. */
  readonly token: string;
  readonly caller: Caller;
}

interface Session {
  readonly caller: Caller;
  readonly facts: SessionFacts;
  usedAtMs: number;
}

const hourMs = 3_600_000;
export const sessionLimits = {
  /** However much it is used. */
  lifeMs: 7 * 24 * hourMs,
  /** Without a call. */
  idleMs: 12 * hourMs,
  linkLifeMs: 15 * 60_000,
  /** Of one key: the one used longest ago makes room, so that nobody signs others out. */
  perKeyMax: 20,
  max: 2000,
} as const;

export class Sessions {
  readonly #clock: Clock;
  readonly #random: (bytes: number) => Buffer;
  /** By the hash of the token. */
  readonly #open = new Map<string, Session>();
  /** When each link expires, and whose it is, by its hash. */
  readonly #links = new Map<string, { readonly keyId: string; readonly untilMs: number }>();

  constructor(clock: Clock, random: (bytes: number) => Buffer = randomBytes) {
    this.#clock = clock;
    this.#random = random;
  }

  /** A secret that opens one session of the key, once, within a quarter of an hour. A newer one takes its place. */
  link(keyId: string): string {
    for (const [hash, link] of this.#links) if (link.keyId === keyId) this.#links.delete(hash);
    const secret = this.#secret();
    this.#links.set(hashOf(secret), { keyId, untilMs: this.#clock.nowMs() + sessionLimits.linkLifeMs });
    return secret;
  }

  /** Whose link it was; from now on it opens nothing. Throws `unauthenticated` where it is unknown, used or too old. */
  redeem(secret: string): string {
    const hash = hashOf(secret);
    const link = this.#links.get(hash);
    this.#links.delete(hash);
    if (link !== undefined && this.#clock.nowMs() < link.untilMs) return link.keyId;
    const why = 'the link is used already, is older than 15 minutes, or is of an earlier start';
    throw new PlatformError('unauthenticated', `${why}: sign in with a key, or restart the server for another link`);
  }

  open({ keyId, role }: Caller): OpenedSession {
    this.#forgetOver();
    const own = [...this.#open].filter(([, session]) => session.caller.keyId === keyId);
    if (own.length >= sessionLimits.perKeyMax) this.#dropOldest(own);
    if (this.#open.size >= sessionLimits.max) this.#dropOldest([...this.#open]);
    const token = this.#secret();
    const facts = { csrfToken: this.#secret(), expiresAtMs: this.#clock.wallMs() + sessionLimits.lifeMs };
    const session = { caller: { keyId, role, session: facts }, facts, usedAtMs: this.#clock.wallMs() };
    this.#open.set(hashOf(token), session);
    return { token, caller: session.caller };
  }

  /** Who has the session; undefined where it is unknown or over. */
  callerOf(token: string): Caller | undefined {
    const hash = hashOf(token);
    const session = this.#open.get(hash);
    if (session === undefined) return undefined;
    const nowMs = this.#clock.wallMs();
    if (this.#isOver(session, nowMs)) {
      this.#open.delete(hash);
      return undefined;
    }
    session.usedAtMs = nowMs;
    return session.caller;
  }

  end(token: string): void {
    this.#open.delete(hashOf(token));
  }

  /** The key is no more, and so is what it opened. */
  endOf(keyId: string): void {
    for (const [hash, session] of this.#open) if (session.caller.keyId === keyId) this.#open.delete(hash);
    for (const [hash, link] of this.#links) if (link.keyId === keyId) this.#links.delete(hash);
  }

  #secret(): string {
    return this.#random(32).toString('base64url');
  }

  #isOver({ facts, usedAtMs }: Session, nowMs: number): boolean {
    return nowMs >= facts.expiresAtMs || nowMs >= usedAtMs + sessionLimits.idleMs;
  }

  #forgetOver(): void {
    const nowMs = this.#clock.wallMs();
    for (const [hash, session] of this.#open) if (this.#isOver(session, nowMs)) this.#open.delete(hash);
  }

  #dropOldest(sessions: readonly (readonly [string, Session])[]): void {
    const [oldest] = sessions.toSorted(([, a], [, b]) => a.usedAtMs - b.usedAtMs);
    if (oldest !== undefined) this.#open.delete(oldest[0]);
  }
}

/** Looked up by it, a secret cannot be guessed letter by letter from how long the look takes. */
function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url');
}
