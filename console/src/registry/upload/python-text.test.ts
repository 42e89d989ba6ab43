import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flavourText } from './python-text.ts';

test('a pickle is named after scikit-learn only if it needs that', () => {
  assert.equal(flavourText('sklearn', ['joblib', 'scikit-learn']), 'scikit-learn');
  assert.equal(flavourText('sklearn', ['lightgbm']), 'a pickle');
  assert.equal(flavourText('xgboost', ['xgboost']), 'XGBoost');
});
