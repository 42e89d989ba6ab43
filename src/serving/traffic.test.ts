import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../random.ts';
import { pickByWeight } from './traffic.ts';

test('gives each variant its share of the traffic', () => {
  const random = new SeededRandom(1);
  const choices = [
    { name: 'a', weight: 9 },
    { name: 'none', weight: 0 },
    { name: 'b', weight: 1 },
  ];
  const counts: Record<string, number> = { a: 0, none: 0, b: 0 };
  for (let i = 0; i < 10_000; i++) {
    const { name } = pickByWeight(choices, random) as (typeof choices)[number];
    counts[name] = (counts[name] as number) + 1;
  }
  assert.equal(counts.none, 0);
  // 3 sigma of a binomial with n = 10,000 and p = 0.1.
  assert(Math.abs((counts.b as number) - 1000) < 90, `1000 expected, got ${counts.b}`);
});

test('the only variant gets everything, also with weight 0; several without any weight get nothing', () => {
  assert.deepEqual(pickByWeight([{ weight: 0 }], new SeededRandom(1)), { weight: 0 });
  assert.equal(pickByWeight([{ weight: 0 }, { weight: 0 }], new SeededRandom(1)), undefined);
});

test('rounding at the very end of the weights goes to the last that has any', () => {
  assert.deepEqual(pickByWeight([{ weight: 1 }, { weight: 2 }, { weight: 0 }], { next: () => 1 }), { weight: 2 });
});
