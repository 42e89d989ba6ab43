import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { defaultPrices } from '../../costs/index.ts';
import { infeasibleTypes, parseProfile, referenceSimulated, typeOf } from './profile.ts';

const parse = (value: unknown): unknown => parseProfile(JSON.stringify(value), 'p.json');

describe('a profile file', () => {
  test('contains types and functions, measured or linear, with default prices from the table', () => {
    const profile = parseProfile(
      JSON.stringify({
        name: 'digits/1',
        overheadMs: 0.2,
        types: {
          'local.1': {
            leadS: 0.5,
            service: [
              { b: 1, p50Ms: 2, p95Ms: 3, p99Ms: 4 },
              { b: 8, p50Ms: 1.5, p95Ms: 5, p99Ms: 6 },
            ],
          },
          mine: { usdPerHour: 1, service: { aMs: 1, bMs: 2, bMax: 3 } },
        },
        functions: [{ memoryMiB: 2048, coldMs: 300, networkMs: 0, basis: 'derived', service: [{ b: 1, p50Ms: 2 }] }],
      }),
      'p.json',
    );
    const [local, mine] = profile.types;
    assert.deepEqual([local?.usdPerHour, local?.leadMs, local?.service[1]], [0.0425, 500, { b: 8, p50Ms: 2, p95Ms: 5, p99Ms: 6 }]);
    assert.deepEqual([mine?.leadMs, mine?.service.map(({ p99Ms }) => p99Ms)], [null, [3, 5, 7]]);
    assert.deepEqual(profile.functions, [
      { memoryMiB: 2048, coldMs: 300, networkMs: 0, service: [{ b: 1, p50Ms: 2, p95Ms: 2, p99Ms: 2 }] },
    ]);
  });

  for (const [what, provided, wanted] of [
    ['a list', [], /profile p\.json: it: expected an object, got \[\]/],
    ['nothing to run on', {}, /neither types nor functions/],
    ['an unknown type', { types: { x: { service: [] } } }, /types\.x: unknown price\. Set usdPerHour/],
    ['no measurement', { types: { 'local.1': { service: [] } } }, /types\.local\.1\.service: nothing was measured/],
    [
      'descending sizes',
      { types: { 'local.1': { service: [{ b: 2, p50Ms: 1 }] } } },
      /service\[0\]\.b: expected ascending whole numbers from 1, got 2/,
    ],
    ['descending quantiles', { types: { 'local.1': { service: [{ b: 1, p50Ms: 2, p95Ms: 1 }] } } }, /expected 0 < p50Ms <= p95Ms/],
    [
      'a string instead of a number',
      { types: { 'local.1': { service: { aMs: 'x', bMs: 1, bMax: 1 } } } },
      /aMs: expected a number from 0, got "x"/,
    ],
    ['a function without memory', { functions: [{ service: [] }] }, /functions\[0\]\.memoryMiB: expected a number from 0, got nothing/],
  ] as const) {
    test(`with ${what} is rejected with the location`, () => {
      assert.throws(() => parse(provided), { code: 'invalid_request', message: wanted });
    });
  }

  test('has spot types at the price of the file, of the table, or at a custom price', () => {
    const service = { aMs: 1, bMs: 2, bMax: 3 };
    const table = {
      ...defaultPrices,
      instances: { ...defaultPrices.instances, listed: { vcpu: 1, memoryMiB: 1, usdPerHour: 2, usdPerHourSpot: 0.5 } },
    };
    const types = { a: { usdPerHour: 1, usdPerHourSpot: 0.25, service }, b: { usdPerHour: 3, service }, listed: { service } };
    const profile = parseProfile(JSON.stringify({ name: 'm/1', types }), 'p.json', table);
    const rented = ['a', 'a:spot', 'listed:spot', 'b:spot=1.5'].map((name) => typeOf(profile, name));
    assert.deepEqual(
      rented.map(({ name, usdPerHour, onDemand }) => [name, usdPerHour, onDemand]),
      [
        ['a', 1, null],
        ['a:spot', 0.25, 'a'],
        ['listed:spot', 0.5, 'listed'],
        ['b:spot', 1.5, 'b'],
      ],
    );
    assert.throws(() => typeOf(profile, 'b:spot'), {
      code: 'invalid_request',
      message: /b has no spot price\. Set usdPerHourSpot, or write b:spot=/,
    });
    assert.throws(() => typeOf(profile, 'b:spot=cheap'), { code: 'invalid_request', message: /expected a price, such as b:spot=0\.04/ });
  });

  test('is rejected if it is not JSON', () => {
    assert.throws(() => parseProfile('{', 'p.json'), { code: 'invalid_request', message: /profile p\.json: is not JSON/ });
  });

  test('reports which of its types cannot meet an objective, and why', () => {
    const objective = (latencyMs: number) => ({ percentile: 99, latencyMs });
    const reference = referenceSimulated();
    assert.deepEqual(infeasibleTypes(reference, undefined, objective(500)), []);
    assert.deepEqual(infeasibleTypes(reference, ['c5.large', 'g4dn.xlarge'], objective(100)), [
      'type c5.large cannot meet 100 ms: 2*s(1)+d = 165 ms: it is excluded',
    ]);
  });

  test('is not needed: the reference profile is built in', () => {
    const { types, functions, overheadMs } = referenceSimulated();
    assert.deepEqual([types.map(({ name }) => name), overheadMs], [['c5.large', 'c5.xlarge', 'c5.2xlarge', 'g4dn.xlarge'], 5]);
    assert.equal(functions.find(({ memoryMiB }) => memoryMiB === 1769)?.service[0]?.p50Ms, 150);
  });
});
