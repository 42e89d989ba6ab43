import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import { PeerGrants } from './peer-grants.ts';

const one = 'a'.repeat(64);

test('a grant is for one host and one object, and for its time; a repeated one lasts from then on', () => {
  const clock = new VirtualClock();
  const grants = new PeerGrants(clock);
  grants.add({ host: 'h1', sha256: one, forMs: 1000 });
  assert.deepEqual([grants.allows('h1', one), grants.allows('h2', one), grants.allows('h1', 'b'.repeat(64))], [true, false, false]);
  clock.advance(900);
  grants.add({ host: 'h1', sha256: one, forMs: 1000 });
  clock.advance(900);
  assert(grants.allows('h1', one));
  clock.advance(100);
  assert(!grants.allows('h1', one));
});

test('grants are bounded: those that ended, and then the oldest, make room', () => {
  const clock = new VirtualClock();
  const grants = new PeerGrants(clock);
  grants.add({ host: 'ended', sha256: one, forMs: 1 });
  clock.advance(2);
  for (let host = 0; host < 5000; host++) grants.add({ host: `h${host}`, sha256: one, forMs: 60_000 });
  assert.deepEqual([grants.size, grants.allows('h0', one), grants.allows('h4999', one)], [4096, false, true]);
});
