/**
 * Rate limit for wrong keys. An address that sends many of them gets 429 instead of 401, which also limits audit records.
 *
 * A valid key is accepted regardless of earlier failures. Secrets have 240 bits, so guessing is infeasible at any rate, but
 * a lockout would let one client behind a proxy lock out all others behind it.
 */
import { isIPv6 } from 'node:net';
import type { Clock } from '../clock.ts';
import { PlatformError } from '../errors.ts';

/** Failures that still get 401: a person retries a few times, a script with an old key about once a second. */
const burst = 20;
const forgivenPerSecond = 1;
/** Bounds memory against attackers with many addresses; the address with the oldest failure is evicted first. */
const addressesMax = 10_000;

interface Failures {
  count: number;
  atMs: number;
}

/** Bounded: beyond the limit the address whose last failure is longest ago is forgotten. */
export class FailedAttempts {
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #what: string;
  /** Ordered by the last failure. */
  readonly #byAddress = new Map<string, Failures>();

  /** `what`: of what many were wrong, and what to do, in the error. */
  constructor(clock: Pick<Clock, 'nowMs'>, what = 'keys from this address: send a valid key') {
    this.#clock = clock;
    this.#what = what;
  }

  /** The error to send instead of looking at another attempt of this address; null if it had not too many. */
  check(remoteAddress: string | undefined): PlatformError | null {
    const failures = this.#byAddress.get(networkOf(remoteAddress ?? ''));
    if (failures === undefined) return null;
    const count = failures.count - ((this.#clock.nowMs() - failures.atMs) / 1000) * forgivenPerSecond;
    return count + 1 <= burst ? null : this.#tooMany(count);
  }

  get addresses(): number {
    return this.#byAddress.size;
  }

  /** Records a wrong key from this address. Returns the error to send if there were too many, otherwise null. */
  add(remoteAddress: string | undefined): PlatformError | null {
    const address = networkOf(remoteAddress ?? '');
    const nowMs = this.#clock.nowMs();
    const failures = this.#byAddress.get(address) ?? { count: 0, atMs: nowMs };
    failures.count = Math.max(0, failures.count - ((nowMs - failures.atMs) / 1000) * forgivenPerSecond);
    failures.atMs = nowMs;
    this.#byAddress.delete(address);
    this.#byAddress.set(address, failures);
    if (this.#byAddress.size > addressesMax) {
      const [oldest] = this.#byAddress.keys();
      this.#byAddress.delete(oldest as string);
    }
    if (failures.count + 1 <= burst) {
      failures.count++;
      return null;
    }
    return this.#tooMany(failures.count);
  }

  #tooMany(count: number): PlatformError {
    const retryAfterMs = ((count + 1 - burst) / forgivenPerSecond) * 1000;
    return new PlatformError('overloaded', `too many wrong ${this.#what}`, { retryAfterMs });
  }
}

/** A client with one IPv6 address usually has 2^64 of them. */
function networkOf(address: string): string {
  if (!isIPv6(address) || address.includes('.')) return address;
  const [head = '', tail = ''] = address.split('::');
  const [before, after] = [head, tail].map((part) => part.split(':').filter((group) => group !== ''));
  const zeros = Array<string>(Math.max(0, 8 - (before?.length ?? 0) - (after?.length ?? 0))).fill('0');
  return [...(before ?? []), ...zeros, ...(after ?? [])].slice(0, 4).join(':');
}
