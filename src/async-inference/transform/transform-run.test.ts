import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leftOut } from './transform-run.ts';

test('what was left out is told by its lines, with why of the first; a single line once', () => {
  const bad = [2, 7].map((line) => ({ line, why: 'it has 3 columns' }));
  assert.equal(leftOut(0, []), null);
  assert.equal(leftOut(1, bad.slice(0, 1)), 'left out line 2: it has 3 columns');
  assert.equal(leftOut(2, bad), 'left out lines 2, 7 (line 2: it has 3 columns)');
  assert.equal(leftOut(5, bad), 'left out lines 2, 7, and 3 more (line 2: it has 3 columns)');
});
