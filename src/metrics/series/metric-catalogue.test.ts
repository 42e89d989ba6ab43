import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetricCatalogue } from './metric-catalogue.ts';

const metric = { name: 'Latency', unit: 'Milliseconds' };
const placeOf = (i: number) => ({ namespace: 'Penstock', dimensions: { EndpointName: `e${i}` } });

/** This many groups measured something, one per second, and were released. */
function released(count: number): MetricCatalogue {
  const catalogue = new MetricCatalogue();
  for (let i = 0; i < count; i++) {
    const { group } = catalogue.reserve({ metricKey: placeOf(i), metric }) ?? assert.fail(`there is no room for ${i}`);
    Object.assign(group, { lastAtMs: i * 1000, isChanged: false });
    if (i % 10_000 === 0) catalogue.releaseSilent((i + 1) * 1000);
  }
  catalogue.releaseSilent(count * 1000);
  return catalogue;
}

test('retains 20,000 released groups; the ones silent for the longest time are excess', () => {
  const catalogue = released(20_003);
  assert.deepEqual(
    catalogue.tooMany().map(({ metricKey }) => metricKey.dimensions.EndpointName),
    ['e2', 'e1', 'e0'],
  );
  catalogue.remove(catalogue.tooMany());
  assert.deepEqual(catalogue.tooMany(), []);
  assert.equal(catalogue.list({}).length, 20_000);
});

test('a held group counts however silent it is, until it is released', () => {
  const catalogue = new MetricCatalogue();
  const { group, metric: number } = catalogue.reserve({ metricKey: placeOf(1), metric }) ?? assert.fail('there is no room');
  group.feed(number);
  catalogue.releaseSilent(Number.POSITIVE_INFINITY);
  assert.equal(group.countsTowardsLimit, true);
  catalogue.release({ EndpointName: 'e2' });
  assert.equal(group.countsTowardsLimit, true);
  catalogue.release({ EndpointName: 'e1' });
  assert.equal(group.countsTowardsLimit, false);
});
