/**
 * How long a Describe of something that changes is held for the change. Waiters poll at once and then every 30 to 120 s: without holding,
 * they would report a job of ten seconds after two minutes.
 */
import type { Clock } from '../clock.ts';
import type { AwsCall } from './service.ts';

export type HeldCall = Pick<AwsCall, 'userAgent' | 'signal'>;

/** botocore gives a read up after 60 s. */
export const waiterHoldMs = 50_000;
/** Other clients may show what they read, so they get the current state soon. */
export const readHoldMs = 2000;

/**
 * Whether a waiter of botocore made the call. botocore lists the features in use in its user agent, as in `m/g,N,b,B,Z,E`; `B` is the waiter
 * (`_USERAGENT_FEATURE_MAPPINGS` in botocore/useragent.py, from 1.36 on).
 */
export function isWaiter(userAgent: string | undefined): boolean {
  const [, features = ''] = / m\/([A-Za-z0-9+,-]+)(?: |$)/.exec(userAgent ?? '') ?? [];
  return features.split(',').includes('B');
}

/** `otherMs`: for clients that are not waiters. 0 if the client has disconnected, or wants the current state. */
export function holdMsOf({ userAgent, signal }: HeldCall, otherMs: number = readHoldMs): number {
  if (signal.aborted) return 0;
  return isWaiter(userAgent) ? waiterHoldMs : otherMs;
}

/**
 * Resolves with `wait`, after `ms`, when the client disconnects or when the server drains. The signal of `wait` is aborted then.
 */
export async function held(
  clock: Pick<Clock, 'after'>,
  { signal }: HeldCall,
  ms: number,
  wait: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  if (signal.aborted || ms <= 0) return;
  const limit = new AbortController();
  const cancel = clock.after(ms, () => limit.abort());
  try {
    const either = AbortSignal.any([signal, limit.signal]);
    const { promise: aborted, resolve } = Promise.withResolvers<void>();
    either.addEventListener('abort', () => resolve(), { once: true });
    await Promise.race([wait(either), aborted]);
  } finally {
    cancel();
    limit.abort();
  }
}
