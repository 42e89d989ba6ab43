import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { floatText, joinFloats } from './float-text.ts';

/** Whether a decimal parses to this number, and is farther from a rounding tie than the margin of the formatter. */
function identifies(decimal: number, value: number): boolean {
  return Math.fround(decimal * (1 + 2 ** -43)) === value && Math.fround(decimal * (1 - 2 ** -43)) === value;
}

test('parses back to the same 32-bit number, with never more digits than the double', () => {
  fc.assert(
    fc.property(fc.float(), (value) => {
      const text = floatText(value);
      assert(Object.is(Math.fround(Number(text)), value) || (value === 0 && Number(text) === 0), `${value}: ${text}`);
      assert(text.length <= String(value).length, `${value}: ${text}`);
    }),
    { numRuns: 20_000 },
  );
});

test("has the fewest digits, compared with JavaScript's own rounding", () => {
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true, min: Math.fround(2 ** -126), max: Math.fround(2 ** 127) }), (value) => {
      fc.pre(!Number.isInteger(value) || value >= 1e9); // written in full
      const digits = floatText(value).replace(/e.*$/, '').replace('.', '').replace(/^0+/, '').replace(/0+$/, '').length;
      for (let fewer = 1; fewer < Math.min(digits, 9); fewer++) {
        const other = Number(value.toPrecision(fewer));
        assert(!identifies(other, value), `${value}: ${floatText(value)}, ${other} would do`);
      }
    }),
    { numRuns: 20_000 },
  );
});

test('both sides of each power of two and ten are distinct and round-trip', () => {
  const float = new Float32Array(1);
  const bits = new Int32Array(float.buffer);
  const powers = [
    ...Array.from({ length: 252 }, (_, at) => 2 ** (at - 125)),
    ...Array.from({ length: 75 }, (_, at) => Number(`1e${at - 37}`)),
  ];
  for (const power of powers) {
    for (let step = -3; step <= 3; step++) {
      float[0] = power;
      bits[0] = (bits[0] as number) + step;
      const [value] = float as unknown as [number];
      assert.equal(Math.fround(Number(floatText(value))), value, floatText(value));
    }
  }
});

test('decimals of up to 6 digits are written unchanged', () => {
  fc.assert(
    fc.property(fc.integer({ min: -999_999, max: 999_999 }), fc.integer({ min: -20, max: 0 }), (digits, power) => {
      const meant = Number(`${digits}e${power}`);
      assert.equal(Number(floatText(Math.fround(meant))), meant === 0 ? 0 : meant);
    }),
  );
});

for (const [value, text] of [
  [0.1, '0.1'],
  [-2.5, '-2.5'],
  [1e-7, '1e-7'],
  [0.000001, '0.000001'],
  [16_777_216, '16777216'],
  [1e21, '1e+21'],
  [Number.NaN, 'NaN'],
  [Number.NEGATIVE_INFINITY, '-Infinity'],
] as const) {
  test(`${text} is written so`, () => assert.equal(floatText(Math.fround(value)), text));
}

test('any range of a list is its numbers separated by commas', () => {
  const list = fc.float32Array({ maxLength: 40 }).chain((some) =>
    fc.record({
      values: fc
        .integer({ min: 1, max: 200 })
        .map((times) => Float32Array.from({ length: some.length * times }, (_, at) => some[at % some.length] as number)),
      cut: fc.tuple(fc.nat(8000), fc.nat(8000)),
    }),
  );
  fc.assert(
    fc.property(list, ({ values, cut: [one, other] }) => {
      const [from, to] = [Math.min(one, other, values.length), Math.min(Math.max(one, other), values.length)];
      assert.equal(joinFloats(values, from, to), Array.from(values.subarray(from, to), floatText).join(','));
      assert.equal(joinFloats(values), Array.from(values, floatText).join(','));
    }),
    { numRuns: 50 },
  );
});
