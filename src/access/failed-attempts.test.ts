import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../clock.ts';
import { FailedAttempts } from './failed-attempts.ts';

function failures(attempts: FailedAttempts, address: string, count: number): number {
  let refused = 0;
  for (let i = 0; i < count; i++) if (attempts.add(address) !== null) refused++;
  return refused;
}

test('rate-limits an address after twenty wrong keys and forgives one per second', () => {
  const clock = new VirtualClock();
  const attempts = new FailedAttempts(clock);
  assert.equal(failures(attempts, '192.0.2.7', 25), 5);
  assert.equal(attempts.add('192.0.2.7')?.code, 'overloaded');
  assert.equal(attempts.add('192.0.2.7')?.retryAfterMs, 1000);
  assert.equal(failures(attempts, '192.0.2.8', 20), 0);
  clock.advance(3000);
  assert.equal(failures(attempts, '192.0.2.7', 4), 1);
});

test('counts addresses of an IPv6 /64 network together, IPv4 addresses separately', () => {
  const attempts = new FailedAttempts(new VirtualClock());
  assert.equal(failures(attempts, '2001:db8::1', 15) + failures(attempts, '2001:db8:0:0:ffff::2', 15), 10);
  assert.equal(failures(attempts, '2001:db8:0:1::1', 15), 0);
  assert.equal(failures(attempts, '::ffff:192.0.2.1', 15) + failures(attempts, '::ffff:192.0.2.2', 15), 0);
});

test('bounds memory for an attacker with many addresses', () => {
  const attempts = new FailedAttempts(new VirtualClock());
  for (let i = 0; i < 30_000; i++) attempts.add(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
  assert.equal(attempts.addresses, 10_000);
});
