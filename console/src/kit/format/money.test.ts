import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pricePerMillion, usdFine, usdOfRequests } from './money.ts';

for (const [value, text] of [
  [0, '$0.000'],
  [12.3456, '$12.35'],
  [0.2389, '$0.239'],
  [0.00754, '$0.0075'],
  [0.0000911, '$0.000 091'],
] as const) {
  test(`${value} is ${text}`, () => assert.equal(usdFine(value), text));
}

test('the cost of requests has at most six decimals', () => {
  assert.deepEqual([0, 12.3456, 0.0123, 0.001234, 0.00012345, 0.0000012, 7e-8].map(usdOfRequests), [
    '$0',
    '$12.35',
    '$0.012',
    '$0.001 2',
    '$0.000 12',
    '$0.000 001',
    'under $0.000 001',
  ]);
});

test('there is no price per million below a thousand requests', () => {
  assert.deepEqual([pricePerMillion(0.0124, 1), pricePerMillion(0.0124, 999), pricePerMillion(0.01, 1000)], [null, null, 10]);
});
