import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../clock.ts';
import { isKeyLimits, KeyLimiter } from './key-limits.ts';

test('a rate allows a burst of one second, then its average, and reports when to retry', () => {
  const clock = new VirtualClock();
  const limiter = new KeyLimiter('K', { ratePerSecond: 4 }, clock);
  for (let i = 0; i < 4; i++) limiter.begin();
  assert.throws(() => limiter.begin(), { code: 'overloaded', retryAfterMs: 250, message: /the key K is limited to 4 requests per second/ });
  clock.advance(250);
  limiter.begin();
  assert.throws(() => limiter.begin(), { code: 'overloaded' });
  clock.advance(3600_000);
  for (let i = 0; i < 4; i++) limiter.begin();
  assert.throws(() => limiter.begin(), { code: 'overloaded' });
});

test('accepts a rate below one per second', () => {
  const clock = new VirtualClock();
  const limiter = new KeyLimiter('K', { ratePerSecond: 0.5 }, clock);
  limiter.begin();
  assert.throws(() => limiter.begin(), { retryAfterMs: 2000 });
  clock.advance(2000);
  limiter.begin();
});

test('concurrency counts open requests; ending a request twice counts once', () => {
  const limiter = new KeyLimiter('K', { concurrency: 2 }, new VirtualClock());
  const ends = [limiter.begin(), limiter.begin()];
  assert.throws(() => limiter.begin(), { code: 'overloaded', retryAfterMs: 1000, message: /2 requests at once/ });
  ends[0]?.();
  ends[0]?.();
  limiter.begin();
  assert.throws(() => limiter.begin(), { code: 'overloaded' });
});

test('a request rejected for concurrency consumes no rate token', () => {
  const limiter = new KeyLimiter('K', { concurrency: 1, ratePerSecond: 2 }, new VirtualClock());
  const end = limiter.begin();
  for (let i = 0; i < 5; i++) assert.throws(() => limiter.begin());
  end();
  limiter.begin();
});

for (const [value, isValid] of [
  [{}, true],
  [{ ratePerSecond: 0.1, concurrency: 1 }, true],
  [{ ratePerSecond: 0 }, false],
  [{ ratePerSecond: '5' }, false],
  [{ concurrency: 1.5 }, false],
  [{ concurrency: 0 }, false],
  [null, false],
  [5, false],
] as const) {
  test(`${isValid ? 'accepts' : 'rejects'} the limits ${JSON.stringify(value)}`, () => assert.equal(isKeyLimits(value), isValid));
}
