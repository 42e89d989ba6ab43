import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../random.ts';
import { pickByWeight, type Routing, takesRequests, variantByName, variantByVersion, variantByWeight } from './traffic.ts';

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

/** While an update takes over step by step, both versions are there under one name. */
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

test('a request goes to a variant that has traffic, to the version or to the name that it asks for, whatever their weight', () => {
  const chosen = [variantByWeight(updated, random), variantByVersion(updated, '1'), variantByName(updated, 'a', random)];
  assert.deepEqual(
    [...chosen, variantByName(updated, 'B', random)].map(({ variant, version }) => `${variant}/${version}`),
    ['A/2', 'A/1', 'A/2', 'B/1'],
  );
});

test('who asks for what is not there is told what is; who asks for nothing where nothing has traffic, what to do', () => {
  assert.throws(() => variantByVersion(updated, '3'), { code: 'not_found', message: /version '3'; it serves: 1, 2, 1$/ });
  assert.throws(() => variantByName(updated, 'C', random), { code: 'not_found', message: /variant 'C'; it has: A, A, B$/ });
  const idle = { ...updated, variants: updated.variants.map(({ pool }) => ({ pool, weight: 0 })) };
  assert.throws(() => variantByWeight(idle, random), { code: 'unavailable', message: /set a weight above 0/ });
});

test('an endpoint that is unloaded says how it is served again', () => {
  const pool = variantByWeight(updated, random);
  assert.equal(takesRequests(updated, pool), pool);
  assert.throws(() => takesRequests({ ...updated, isSuspended: true }, pool), { code: 'unavailable', message: /penstock load e/ });
});
