import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goalOf, selectionInput } from './endpoint-selection.ts';

const input = { candidates: ['a'], evaluation: 'holdout', floor: 0.9 };

for (const { what, change, message } of [
  {
    what: 'both minimize and maximize',
    change: { minimize: 'cost', maximize: 'accuracy', budget_usd_per_hour: 1 },
    message: 'expected either minimize or maximize, got both',
  },
  { what: 'a budget without maximize', change: { budget_usd_per_hour: 1 }, message: 'a budget needs maximize: accuracy' },
  { what: 'maximize without a budget', change: { maximize: 'accuracy' }, message: 'maximize: accuracy needs budget_usd_per_hour' },
]) {
  test(`a selection with ${what} is refused`, () => {
    assert.throws(() => goalOf(selectionInput.parse({ ...input, ...change })), { code: 'invalid_request', message });
  });
}

test('a selection has at most six candidates, and no other metric than accuracy', () => {
  for (const change of [{ candidates: ['a', 'b', 'c', 'd', 'e', 'f', 'g'] }, { candidates: [] }, { metric: 'rmse' }, { floor: '0.9' }]) {
    assert.equal(selectionInput.safeParse({ ...input, ...change }).success, false, JSON.stringify(change));
  }
});
