import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nameKey, sameName } from './names.ts';

test('names that differ in case only are the same', () => {
  assert(sameName('Digits', 'dIGITS'));
  assert(!sameName('digits', 'digits-2'));
  assert.equal(new Map([[nameKey('Digits'), 1]]).get(nameKey('DIGITS')), 1);
});
