import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBrainBits, fromHalfBits } from '../../tensor.ts';
import { toBrainBits, toHalfBits } from './elements.ts';

test('every half-precision number round-trips', () => {
  for (let half = 0; half < 0x10000; half++) {
    const value = fromHalfBits(half);
    if (Number.isNaN(value)) assert(Number.isNaN(fromHalfBits(toHalfBits(value))));
    else assert.equal(toHalfBits(value), half);
  }
});

test('rounds to the nearest half-precision number, ties to even', () => {
  for (const [value, half] of [
    [1, 0x3c00],
    [-2, 0xc000],
    [65504, 0x7bff],
    [65519.99, 0x7bff],
    [65520, 0x7c00],
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [2 ** -25, 0],
    [2 ** -24, 1],
  ] as const) {
    assert.equal(toHalfBits(value), half, `${value}`);
  }
});

test('every bfloat16 round-trips', () => {
  for (let brain = 0; brain < 0x10000; brain++) {
    const value = fromBrainBits(brain);
    if (!Number.isNaN(value)) assert.equal(toBrainBits(value), brain);
  }
  assert(Number.isNaN(fromBrainBits(toBrainBits(Number.NaN))));
});
