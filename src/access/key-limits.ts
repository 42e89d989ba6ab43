/** Limits of a key: request rate and concurrency. Unlimited unless set when the key is created. */
import type { Clock } from '../clock.ts';
import { PlatformError } from '../errors.ts';

/** Absent members are unlimited. */
export interface KeyLimits {
  /** Average requests per second; a burst of one second's worth is allowed. */
  readonly ratePerSecond?: number;
  /** Concurrent requests. */
  readonly concurrency?: number;
}

/** Upper bounds of what can be set. */
export const keyLimitsMax = { ratePerSecond: 1_000_000, concurrency: 1_000_000 } as const;

/** Validates limits read from `keys.json`: a rate above 0, a concurrency of at least 1. */
export function isKeyLimits(value: unknown): value is KeyLimits {
  if (typeof value !== 'object' || value === null) return false;
  const { ratePerSecond, concurrency } = value as Readonly<Record<string, unknown>>;
  const isRate = ratePerSecond === undefined || (typeof ratePerSecond === 'number' && ratePerSecond > 0);
  return isRate && (concurrency === undefined || (Number.isInteger(concurrency) && (concurrency as number) >= 1));
}

/** A token bucket and a counter, one per key with limits. */
export class KeyLimiter {
  readonly #keyId: string;
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #ratePerMs: number;
  readonly #burst: number;
  readonly #concurrency: number;
  #tokens: number;
  #atMs: number;
  #inFlight = 0;

  constructor(keyId: string, { ratePerSecond, concurrency }: KeyLimits, clock: Pick<Clock, 'nowMs'>) {
    this.#keyId = keyId;
    this.#clock = clock;
    this.#ratePerMs = (ratePerSecond ?? Number.POSITIVE_INFINITY) / 1000;
    this.#burst = Math.max(1, ratePerSecond ?? 1);
    this.#concurrency = concurrency ?? Number.POSITIVE_INFINITY;
    this.#tokens = this.#burst;
    this.#atMs = clock.nowMs();
  }

  /** Starts a request. Throws `overloaded`; otherwise the returned function must be called at the end of the request (repeated calls are harmless). */
  begin(): () => void {
    if (this.#inFlight >= this.#concurrency) {
      const limit = `${this.#concurrency} request${this.#concurrency === 1 ? '' : 's'} at once`;
      throw new PlatformError('overloaded', `the key ${this.#keyId} is limited to ${limit}: wait for a response first`, {
        retryAfterMs: 1000,
      });
    }
    this.takeToken();
    this.#inFlight++;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#inFlight--;
    };
  }

  /** Counts one more request within an open one, such as a message of a stream. Throws `overloaded`. */
  takeToken(): void {
    if (this.#ratePerMs === Number.POSITIVE_INFINITY) return;
    const nowMs = this.#clock.nowMs();
    this.#tokens = Math.min(this.#burst, this.#tokens + (nowMs - this.#atMs) * this.#ratePerMs);
    this.#atMs = nowMs;
    if (this.#tokens >= 1) {
      this.#tokens--;
      return;
    }
    const retryAfterMs = (1 - this.#tokens) / this.#ratePerMs;
    throw new PlatformError(
      'overloaded',
      `the key ${this.#keyId} is limited to ${this.#ratePerMs * 1000} requests per second: send fewer`,
      {
        retryAfterMs,
      },
    );
  }
}
