import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { csvFloats } from './csv-floats.ts';

test('numbers match those of the slow path', () => {
  const digits = (max: number) =>
    fc.string({ unit: fc.constantFrom('0', '1', '2', '3', '4', '5', '6', '7', '8', '9'), minLength: 1, maxLength: max });
  const number = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }).map((value) => value.toFixed(4)),
    fc.float({ noNaN: true, noDefaultInfinity: true }).map(String),
    fc.tuple(fc.constantFrom('', '-', '+'), digits(9), digits(6)).map(([sign, whole, part]) => `${sign}${whole}.${part}`),
    fc.integer().map(String),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
    fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e9, max: 1e9 }).map((value) => value.toExponential(18)),
    fc.tuple(digits(25), digits(25), fc.integer({ min: -30, max: 30 })).map(([whole, part, power]) => `${whole}.${part}e${power}`),
    fc.constantFrom('.5', '5.', '-0', '+0.', '1e3', '1E+3', '1e', 'e1', '-e', 'NaN', '', ' 1', '-', '.', '1.2.3', '1e3.5', '--1'),
    fc.constantFrom('123456789012345678', '0.00000000000000000000000000', '2147483648', '4294967297.5', '9999999999'),
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
        const room = new Float32Array(3 * rows.length + 5);
        assert.deepEqual(csvFloats(Buffer.from(text), 3, rows.length, room), values);
      },
    ),
  );
});

test('doubles and exponents written by other programs are parsed, if their 32-bit value is unambiguous', () => {
  const cells = ['0.30285635590553284', '-1.000000000000000000e+00', '1e-05', '1.7976931348623157e-10', '16777217', '3.4e-38', '0.1'];
  assert.deepEqual(
    [...(csvFloats(Buffer.from(cells.join()), cells.length, 1) ?? [])],
    cells.map((cell) => Math.fround(Number(cell))),
  );
  // Its first fifteen digits are halfway between two 32-bit values; the rest puts it above the tie.
  assert.equal(csvFloats(Buffer.from('1.00000017881393432617187500001'), 1, 1), null);
  for (const far of ['1e45', '1e-60', '1e400', '1e99999999999999999999']) assert.equal(csvFloats(Buffer.from(far), 1, 1), null);
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
  '\r1,2,3\n4,5,6\n',
  '1,2,3\r\r\n4,5,6\n',
  '1,2,3\n4,5,6,\n',
  '1,2,3\n4,5,inf\n',
]) {
  test(`leaves ${JSON.stringify(text)} to the slow path`, () => assert.equal(csvFloats(Buffer.from(text), 3, 2), null));
}
