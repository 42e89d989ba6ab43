import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../../random.ts';
import { Latencies } from './measures.ts';

test('the histogram has quantiles accurate to half a percent in constant memory', () => {
  const random = new SeededRandom(3);
  const values = Float64Array.from({ length: 100_000 }, () => 10 ** (random.next() * 6 - 2));
  const latencies = new Latencies();
  for (const ms of values) latencies.add(ms);
  values.sort();
  for (const q of [0.001, 0.5, 0.95, 0.99, 1]) {
    const [seen, wanted] = [latencies.quantileMs(q) as number, values[Math.ceil(q * values.length) - 1] as number];
    assert(Math.abs(seen / wanted - 1) < 0.005, `${q}: ${seen}, not ${wanted}`);
  }
  assert(Math.abs((latencies.meanMs as number) / (values.reduce((sum, ms) => sum + ms) / values.length) - 1) < 1e-9);
});

test('the histogram has no quantiles without latencies, and clamps values outside its range', () => {
  const latencies = new Latencies();
  assert.deepEqual([latencies.quantileMs(0.5), latencies.meanMs], [null, null]);
  latencies.add(0);
  latencies.add(1e12);
  assert.equal(latencies.quantileMs(0.5), 0.001003);
  assert((latencies.quantileMs(1) as number) > 1e7);
});
