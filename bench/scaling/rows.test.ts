import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePolicy } from '../../src/autoscaling/index.ts';
import { differences, rows } from './rows.ts';

const published = { costUsdPerMillion: 2, attainmentPercent: 99.9, overflowPercent: 10 };

for (const { reproduced, expected } of [
  { reproduced: { costUsdPerMillion: 2.09, attainmentPercent: 99.882, overflowPercent: 10.9 }, expected: [] },
  {
    reproduced: { costUsdPerMillion: 1.88, attainmentPercent: 99.95, overflowPercent: 8 },
    expected: ['cost -6.0 %', 'in time +0.050 points', 'overflow -2.0 points'],
  },
]) {
  test(`a reproduction of ${reproduced.costUsdPerMillion} differs by: ${expected.join(', ') || 'nothing'}`, () => {
    assert.deepEqual(differences('NASA', published, reproduced), expected);
  });
}

test('every row is a valid policy', () => {
  for (const { policy } of rows) assert.equal(parsePolicy(policy).text, policy);
});
