import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pickByWeight, SeededRandom } from '../../random.ts';
import { type Routing, requireAcceptingPool, variantByName, variantByVersion, variantByWeight } from './traffic.ts';

test('routes each variant its share of the traffic', () => {
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
  // 3 standard deviations of a binomial distribution with n = 10,000 and p = 0.1.
  assert(Math.abs((counts.b as number) - 1000) < 90, `1000 expected, got ${counts.b}`);
});

test('a single variant gets all traffic, even with weight 0; several variants with weight 0 get none', () => {
  assert.deepEqual(pickByWeight([{ weight: 0 }], new SeededRandom(1)), { weight: 0 });
  assert.equal(pickByWeight([{ weight: 0 }, { weight: 0 }], new SeededRandom(1)), undefined);
});

test('a rounding error at the end of the weights goes to the last variant with a weight', () => {
  assert.deepEqual(pickByWeight([{ weight: 1 }, { weight: 2 }, { weight: 0 }], { next: () => 1 }), { weight: 2 });
});

/** During a gradual update, both versions have the same variant name. */
const updated = {
  name: 'e',
  variants: [
    { weight: 0, pool: { variant: 'A', version: '1' } },
    { weight: 1, pool: { variant: 'A', version: '2' } },
    { weight: 0, pool: { variant: 'B', version: '1' } },
  ],
  isSuspended: false,
} as unknown as Routing;
const random = new SeededRandom(1);

test('a request goes to a variant with traffic, or to the requested version or name regardless of weight', () => {
  const chosen = [variantByWeight(updated, random), variantByVersion(updated, '1'), variantByName(updated, 'a', random)];
  assert.deepEqual(
    [...chosen, variantByName(updated, 'B', random)].map(({ variant, version }) => `${variant}/${version}`),
    ['A/2', 'A/1', 'A/2', 'B/1'],
  );
});

test('errors for an unknown version or variant list those that exist; an error for zero weights says what to do', () => {
  assert.throws(() => variantByVersion(updated, '3'), { code: 'not_found', message: /version '3': expected one of 1, 2, 1$/ });
  assert.throws(() => variantByName(updated, 'C', random), { code: 'not_found', message: /variant 'C': expected one of A, A, B$/ });
  const idle = { ...updated, variants: updated.variants.map(({ pool }) => ({ pool, weight: 0 })) };
  assert.throws(() => variantByWeight(idle, random), { code: 'unavailable', message: /Set a weight above 0/ });
});

test('the error of an unloaded endpoint says how to load it', () => {
  const pool = variantByWeight(updated, random);
  assert.equal(requireAcceptingPool(updated, pool), pool);
  assert.throws(() => requireAcceptingPool({ ...updated, isSuspended: true }, pool), { code: 'unavailable', message: /penstock load e/ });
});
