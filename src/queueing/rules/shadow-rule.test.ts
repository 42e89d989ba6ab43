import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type IdleMoment, shadowWaitMs } from './shadow-rule.ts';

const moment: IdleMoment = { rowsWaiting: 0, othersIdle: 0, shadowMs: 5, requestMs: 2, quietMs: 20, limitMs: 40 };

for (const { when, change, waitMs } of [
  { when: 'requests wait', change: { rowsWaiting: 1, othersIdle: 3 }, waitMs: Number.POSITIVE_INFINITY },
  { when: 'another instance is idle', change: { othersIdle: 1, quietMs: 0 }, waitMs: 0 },
  { when: 'no request has arrived for four runs', change: {}, waitMs: 0 },
  { when: 'the last request has just arrived', change: { quietMs: 0 }, waitMs: 20 },
  { when: 'a request that arrives meanwhile would be late', change: { shadowMs: 39 }, waitMs: Number.POSITIVE_INFINITY },
  { when: 'nothing is promised', change: { shadowMs: 100, quietMs: 100, limitMs: null }, waitMs: 300 },
]) {
  test(`if ${when}, a shadow waits ${waitMs} ms`, () => assert.equal(shadowWaitMs({ ...moment, ...change }), waitMs));
}

test('a request that finds a shadow on the only instance is still in time', () => {
  const ms = fc.double({ min: 0, max: 200, noNaN: true });
  fc.assert(
    fc.property(fc.record({ shadowMs: ms, requestMs: ms, quietMs: ms, limitMs: ms, othersIdle: fc.nat(2) }), (each) => {
      if (shadowWaitMs({ ...moment, ...each }) === 0) assert(each.shadowMs + each.requestMs <= each.limitMs);
    }),
  );
});
