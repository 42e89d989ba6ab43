/** A token bucket: a burst, refilled at a rate per minute. */

/** State of a bucket; functions of this file compute with it, so that thousands of buckets need no timers. */
export interface TokenBucket {
  tokens: number;
  /** When `tokens` was computed, milliseconds of the monotonic clock. */
  atMs: number;
}

/** `burst` tokens at most, refilled continuously. */
export interface RateLimit {
  readonly burst: number;
  readonly perMinute: number;
}

/** Takes a token if there is one. */
export function takeToken(bucket: TokenBucket, bounds: RateLimit, nowMs: number): boolean {
  bucket.tokens = tokensAt(bucket, bounds, nowMs);
  bucket.atMs = nowMs;
  if (bucket.tokens < 1) return false;
  bucket.tokens--;
  return true;
}

/** Whether the bucket is as full as a new one. */
export function isFull(bucket: TokenBucket, bounds: RateLimit, nowMs: number): boolean {
  return tokensAt(bucket, bounds, nowMs) >= bounds.burst;
}

function tokensAt({ tokens, atMs }: TokenBucket, { burst, perMinute }: RateLimit, nowMs: number): number {
  return Math.min(burst, tokens + ((nowMs - atMs) / 60_000) * perMinute);
}
