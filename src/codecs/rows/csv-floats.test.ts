import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { csvFloats } from './csv-floats.ts';

test('numbers are those of the long way', () => {
  const digits = (max: number) =>
    fc.string({ unit: fc.constantFrom('0', '1', '2', '3', '4', '5', '6', '7', '8', '9'), minLength: 1, maxLength: max });
  const number = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }).map((value) => value.toFixed(4)),
    fc.float({ noNaN: true, noDefaultInfinity: true }).map(String),
    fc.tuple(fc.constantFrom('', '-', '+'), digits(9), digits(6)).map(([sign, whole, part]) => `${sign}${whole}.${part}`),
    fc.integer().map(String),
    fc.constantFrom('.5', '5.', '-0', '1e3', 'NaN', '', ' 1', '-', '.', '1.2.3', '123456789012345678'),
  );
  fc.assert(
    fc.property(
      fc.array(fc.array(number, { minLength: 3, maxLength: 3 }), { minLength: 1, maxLength: 6 }),
      fc.constantFrom('\n', '\r\n', '\n\n'),
      fc.boolean(),
      (rows, end, isEnded) => {
        const text = rows.map((cells) => cells.join(',')).join(end) + (isEnded ? end : '');
        const values = csvFloats(Buffer.from(text), 3, rows.length);
        if (values !== null)
          assert.deepEqual(
            [...values],
            rows.flat().map((cell) => Math.fround(Number(cell))),
          );
        else assert(rows.flat().some((cell) => !/^[+-]?(\d+\.?\d*|\.\d+)$/.test(cell) || cell.length > 15));
      },
    ),
  );
});

for (const text of [
  '1,2\n',
  '1,2,3,4\n',
  '1,2,3,\n',
  '1,2,3\n4,5\n',
  '1,2,"3"\n',
  '1,2,3\n4,5,6\n7,8,9\n',
  '1,2,3\r4,5,6\n',
  ',,\n',
  '1 ,2,3\n',
]) {
  test(`leaves ${JSON.stringify(text)} to the long way`, () => assert.equal(csvFloats(Buffer.from(text), 3, 2), null));
}
