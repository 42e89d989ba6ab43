import assert from 'node:assert/strict';
import { test } from 'node:test';
import { selectableModels } from '../../test/selection/selectable.ts';
import { agreementOf } from './agreement.ts';

const models = selectableModels('digits', 1);
const best = { first: 'digits_cnn', second: null, threshold: 1 };

test('a model alone is compared on every row, a cascade on those that it does not send on', () => {
  const alone = agreementOf({ first: 'digits_mlp', second: null, threshold: 1 }, best, models);
  const cascade = agreementOf({ first: 'digits_mlp', second: 'digits_cnn', threshold: 0.03 }, best, models);
  assert.equal(alone.rows, 450);
  assert.equal(cascade.rows, 450 - 42);
  assert(cascade.disagreed < alone.disagreed && alone.disagreed >= 9, JSON.stringify([alone, cascade]));
});

test('a plan agrees with itself', () => {
  assert.deepEqual(agreementOf(best, best, models), { rows: 450, disagreed: 0 });
});
