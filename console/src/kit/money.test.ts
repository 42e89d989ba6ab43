import assert from 'node:assert/strict';
import { test } from 'node:test';
import { usdFine } from './money.ts';

for (const [value, text] of [
  [0, '$0.000'],
  [12.3456, '$12.35'],
  [0.2389, '$0.239'],
  [0.00754, '$0.0075'],
  [0.0000911, '$0.000 091'],
] as const) {
  test(`${value} is ${text}`, () => assert.equal(usdFine(value), text));
}
