import assert from 'node:assert/strict';
import { test } from 'node:test';
import { trySplits } from '../../test/selection/splits.ts';

for (const { floor, rows } of [
  { floor: 0.85, rows: 500 },
  { floor: 0.88, rows: 2000 },
]) {
  test(`a certified floor of ${floor} by ${rows} rows holds on the other rows in 19 of 20 random splits`, () => {
    const { certifiedBroken, anyCertifiedBroken, nothingCertified } = trySplits({ floor, rows, splits: 40, seed: 1 });
    assert(certifiedBroken <= 0.05, `broken in ${certifiedBroken}`);
    assert(anyCertifiedBroken <= 0.05, `some certified plan broke it in ${anyCertifiedBroken}`);
    assert(nothingCertified < 1, 'otherwise the test proves nothing');
  });
}

test('choosing by measured accuracy breaks the floor in many splits', () => {
  const { measuredBroken } = trySplits({ floor: 0.85, rows: 500, splits: 40, seed: 1 });
  assert(measuredBroken > 0.25, `broken in ${measuredBroken}`);
});
