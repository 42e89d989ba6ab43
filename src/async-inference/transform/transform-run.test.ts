import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skippedText } from './transform-run.ts';

test('lists skipped lines with the reason of the first; a single line only once', () => {
  const bad = [2, 7].map((line) => ({ line, why: 'it has 3 columns' }));
  assert.equal(skippedText(0, []), null);
  assert.equal(skippedText(1, bad.slice(0, 1)), 'skipped line 2: it has 3 columns');
  assert.equal(skippedText(2, bad), 'skipped lines 2, 7 (line 2: it has 3 columns)');
  assert.equal(skippedText(5, bad), 'skipped lines 2, 7, and 3 more (line 2: it has 3 columns)');
});
