import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeTrained, parseBetterBy } from './approve-if-better.ts';

const accuracy = { metric: 'accuracy', isLower: false };
const version = (number: number, metrics: Readonly<Record<string, number>>) => ({ name: `digits/${number}`, metrics });

test('a version is approved if its metric is better, and only then', () => {
  const old = version(1, { accuracy: 0.9, rmse: 2 });
  assert.deepEqual(judgeTrained(accuracy, version(2, { accuracy: 0.95 }), old), {
    isBetter: true,
    reason: 'accuracy 0.95 is better than 0.9 of digits/1',
  });
  assert.equal(judgeTrained(accuracy, version(2, { accuracy: 0.9 }), old).isBetter, false);
  assert.equal(judgeTrained({ metric: 'rmse', isLower: true }, version(2, { rmse: 1 }), old).isBetter, true);
  assert.equal(judgeTrained({ metric: 'rmse', isLower: true }, version(2, { rmse: 3 }), old).isBetter, false);
});

test('without a value to compare, nothing is approved but the first version', () => {
  assert.equal(judgeTrained(accuracy, version(1, { accuracy: 0.1 }), null).isBetter, true);
  assert.match(judgeTrained(accuracy, version(1, {}), null).reason, /digits\/1 has no metric accuracy/);
  assert.match(
    judgeTrained(accuracy, version(2, { accuracy: 1 }), version(1, {})).reason,
    /digits\/1 has no metric accuracy to compare with/,
  );
});

test('the metric is named with its direction', () => {
  assert.deepEqual(parseBetterBy('accuracy'), accuracy);
  assert.deepEqual(parseBetterBy('rmse:min'), { metric: 'rmse', isLower: true });
  assert.deepEqual(parseBetterBy('a:b:max'), { metric: 'a:b', isLower: false });
  assert.throws(() => parseBetterBy(''), /expected a metric/);
});
