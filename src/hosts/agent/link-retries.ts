/**
 * When a host dials its home again after a link has ended, and whether that end is logged. A home can accept a connection and reject the
 * link on it, again and again: waits grow, so that many hosts do not keep it busy, and a reason is not logged each time.
 */
import type { Random } from '../../random.ts';

/** The first wait, which doubles with each further link that ends early; a random half of it is left out. */
const waitMs = { first: 200, max: 5000 };
/** A link that served for this long was no failed attempt. */
const steadyMs = 10_000;
/** The same reason is logged once in this time. */
const logEveryMs = 60_000;

/** What to do after the end of a link. */
export interface LinkRetry {
  readonly waitMs: number;
  /** Ends with this reason since it was logged last, this one included; null: it is not logged now. */
  readonly logged: number | null;
}

interface LoggedReason {
  readonly atMs: number;
  unlogged: number;
}

export class LinkRetries {
  readonly #random: Random;
  /** Links that ended since one was steady, that one included. */
  #failures = 0;
  readonly #logged = new Map<string, LoggedReason>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** `servedMs`: how long the home had accepted the link; 0 if it never did. */
  ended(reason: string, nowMs: number, servedMs: number): LinkRetry {
    const wasSteady = servedMs >= steadyMs;
    if (wasSteady) this.#failures = 0;
    const limitMs = Math.min(waitMs.first * 2 ** this.#failures++, waitMs.max);
    return { waitMs: limitMs * (1 - this.#random.next() / 2), logged: this.#log(reason, nowMs, wasSteady) };
  }

  #log(reason: string, nowMs: number, wasSteady: boolean): number | null {
    const known = this.#logged.get(reason);
    if (known !== undefined && !wasSteady && nowMs - known.atMs < logEveryMs) {
      known.unlogged++;
      return null;
    }
    // Reasons may differ in an address or a number: those that are over are dropped.
    for (const [each, { atMs }] of this.#logged) if (nowMs - atMs >= logEveryMs) this.#logged.delete(each);
    this.#logged.set(reason, { atMs: nowMs, unlogged: 0 });
    return (known?.unlogged ?? 0) + 1;
  }
}
