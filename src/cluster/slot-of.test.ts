import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slotCount, slotOf } from './slot-of.ts';

// The low bytes of published FNV-1a values. Another value would give the endpoint another owner.
for (const { name, slot } of [
  { name: 'a', slot: 0xe4_0c_29_2c & 0xff },
  { name: 'foobar', slot: 0xbf_9c_f9_68 & 0xff },
  { name: 'FooBar', slot: 0xbf_9c_f9_68 & 0xff },
]) {
  test(`endpoint ${name} is in slot ${slot} on every node`, () => assert.equal(slotOf(name), slot));
}

test('names of endpoints spread over all slots', () => {
  const counts = new Map<number, number>();
  for (let i = 0; i < 10_000; i++) counts.set(slotOf(`endpoint-${i}`), (counts.get(slotOf(`endpoint-${i}`)) ?? 0) + 1);
  assert.equal(counts.size, slotCount);
  assert(Math.max(...counts.values()) < 80, 'the mean is 39');
});
