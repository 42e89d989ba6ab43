import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { packCounts, packFloats, unpackCounts, unpackFloats } from './packing.ts';

const refused = { name: 'PlatformError', code: 'invalid_request' };

describe('packed numbers', () => {
  test('counts round-trip, gaps included', () => {
    const count = fc.oneof(fc.constant(Number.NaN), fc.nat(300), fc.integer({ min: 0, max: 1e12 }));
    fc.assert(
      fc.property(fc.array(count), (counts) => {
        assert.deepEqual([...unpackCounts(packCounts(Float64Array.from(counts)), counts.length)], counts);
      }),
    );
  });

  test('floats round-trip exactly', () => {
    fc.assert(
      fc.property(fc.float64Array({ noDefaultInfinity: true }), (values) => {
        assert.deepEqual(unpackFloats(packFloats(values), new Float64Array(values.length), true), values);
      }),
    );
  });

  test('a series with small changes takes one byte per slot', () => {
    const counts = Float64Array.from({ length: 3000 }, (_, slot) => 5000 + ((slot * 37) % 60));
    assert(packCounts(counts).length <= 4010);
  });

  test('rejects input that is not the packed form of the expected number of values', () => {
    const whole = packCounts(Float64Array.of(1, 2, 3));
    assert.throws(() => unpackCounts(whole, 2), refused);
    assert.throws(() => unpackCounts(whole, 4), refused);
    assert.throws(() => unpackCounts(Buffer.from([128]).toString('base64'), 0), refused);
    assert.throws(() => unpackCounts(Buffer.from([2]).toString('base64'), 1), { ...refused, message: /invalid counts/ }); // -1
    assert.throws(() => unpackCounts(7, 1), refused);
    assert.throws(() => unpackFloats(packFloats(Float64Array.of(1)), new Float64Array(2)), refused);
    assert.throws(() => unpackFloats(packFloats(Float64Array.of(Number.NaN)), new Float64Array(1)), refused);
    assert.throws(() => unpackFloats(packFloats(Float64Array.of(Number.POSITIVE_INFINITY)), new Float64Array(1), true), refused);
  });
});
