import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { CallTable } from './call-table.ts';

interface Call {
  readonly id: number;
}

describe('a table of open calls', () => {
  test('holds what a map holds, for numbers that collide and wrap around', () => {
    const number = fc.oneof(
      fc.integer({ min: 0, max: 40 }),
      fc.integer({ min: 2 ** 32 - 20, max: 2 ** 32 - 1 }),
      fc.integer({ min: 0, max: 40 }).map((times) => times * 16),
    );
    const step = fc.record({ number, isTaken: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const table = new CallTable<Call>();
        const expected = new Map<number, Call>();
        for (const [id, { number, isTaken }] of steps.entries()) {
          if (isTaken) {
            assert.deepEqual(table.take(number), expected.get(number));
            expected.delete(number);
          } else {
            table.set(number, { id });
            expected.set(number, { id });
          }
          assert.equal(table.size, expected.size);
          for (const [each, call] of expected) assert.deepEqual(table.get(each), call);
        }
        assert.deepEqual(idsOf(table.takeAll()), idsOf([...expected.values()]));
        assert.equal(table.size, 0);
      }),
    );
  });

  test('names the call that is open for longest, also after the numbers have wrapped around', () => {
    const table = new CallTable<Call>();
    const first = 2 ** 32 - 3;
    for (let id = 0; id < 6; id++) table.set((first + id) >>> 0, { id });
    const next = (first + 6) >>> 0;
    assert.equal(table.oldest(next), first);
    table.take(first);
    assert.equal(table.oldest(next), first + 1);
    assert.deepEqual(
      table.takeAll(next).map(({ id }) => id),
      [1, 2, 3, 4, 5],
    );
    assert.equal(table.oldest(next), undefined);
  });
});

function idsOf(calls: readonly Call[]): number[] {
  return calls.map(({ id }) => id).sort((one, other) => one - other);
}
