import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { formatFloor, parseFloor } from './scheduled-floor.ts';

describe('a scheduled floor', () => {
  for (const [text, days, fromMinute, untilMinute, instances, shown = text] of [
    ['08:00-18:00 3', [], 480, 1080, 3],
    ['mon-fri 08:00-18:00 3', [1, 2, 3, 4, 5], 480, 1080, 3],
    ['sat,sun 22:00-02:00 2', [0, 6], 1320, 120, 2],
    [' FRI-MON  00:00-24:00  10 ', [0, 1, 5, 6], 0, 1440, 10, 'fri-mon 00:00-24:00 10'],
    ['wed 00:00-00:00 0', [3], 0, 0, 0],
    ['tue,mon,wed 09:30-09:31 1', [1, 2, 3], 570, 571, 1, 'mon-wed 09:30-09:31 1'],
    ['sun-sat 01:00-02:00 1', [0, 1, 2, 3, 4, 5, 6], 60, 120, 1, 'mon-sun 01:00-02:00 1'],
  ] as const) {
    test(`is parsed from '${text}'`, () => {
      const floor = parseFloor(text);
      assert.deepEqual(floor, { days: [...days], fromMinute, untilMinute, instances });
      assert.equal(formatFloor(floor), shown);
    });
  }

  for (const text of ['', '3', '8:00-18:00 3', '08:00-18:00', '25:00-26:00 3', '08:60-09:00 1', '24:00-02:00 1', 'someday 08:00-18:00 3']) {
    test(`rejects '${text}', and says what is expected`, () => {
      assert.throws(() => parseFloor(text), {
        code: 'invalid_request',
        message: /invalid scheduled floor .*: expected DAYS FROM-UNTIL COUNT/,
      });
    });
  }

  test('parses to itself after formatting', () => {
    const floor = fc.record({
      days: fc.uniqueArray(fc.integer({ min: 0, max: 6 })).map((days) => days.sort((a, b) => a - b)),
      fromMinute: fc.integer({ min: 0, max: 1439 }),
      untilMinute: fc.integer({ min: 0, max: 1440 }),
      instances: fc.integer({ min: 0, max: 64 }),
    });
    fc.assert(fc.property(floor, (provided) => assert.deepEqual(parseFloor(formatFloor(provided)), { ...provided })));
  });
});
