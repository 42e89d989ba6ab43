import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loopRuling } from './server-alarms.ts';

for (const { when, longMs, shortMs, state } of [
  { when: 'nothing blocked the loop', longMs: 0, shortMs: 0, state: 'OK' },
  { when: 'it is blocked for 1 % of both windows', longMs: 3000, shortMs: 600, state: 'ALARM' },
  { when: 'it was blocked, but not in the last minute', longMs: 20_000, shortMs: 300, state: 'OK' },
  { when: 'a single slice of half a second blocked it', longMs: 700, shortMs: 700, state: 'OK' },
]) {
  test(`the event loop alarm is ${state} if ${when}`, () => {
    assert.equal(loopRuling({ longMs, shortMs }).state, state);
  });
}

test('the event loop alarm says how long the loop was blocked, and its limits', () => {
  assert.equal(
    loopRuling({ longMs: 4200, shortMs: 900 }).reason,
    'slices over 100 ms blocked the event loop for 4.2 s of the last 5 min and 0.9 s of the last minute; the limits are 3.0 s and 0.6 s',
  );
});
