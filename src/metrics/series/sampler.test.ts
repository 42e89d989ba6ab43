import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import { startSampler } from './sampler.ts';

test('samples every ten seconds, also after a failed sample', () => {
  const clock = new VirtualClock(Date.UTC(2026, 10, 24, 12) + 3000);
  const retained: unknown[] = [];
  const failures: unknown[] = [];
  let looks = 0;
  const metricKey = { namespace: 'Penstock', dimensions: { EndpointName: 'digits' } };
  const end = startSampler({
    clock,
    store: { put: (_place, metric, atMs, { sum }) => retained.push([metric.name, new Date(atMs).toISOString().slice(17, 19), sum]) },
    sample: () => {
      if (++looks === 2) throw new Error('no');
      return [{ metricKey, metric: { name: 'Instances', unit: 'Count' }, value: looks }];
    },
    onFailure: (error) => failures.push(error),
  });
  clock.advance(27_000);
  assert.deepEqual(retained, [
    ['Instances', '10', 1],
    ['Instances', '30', 3],
  ]);
  assert.equal(failures.length, 1);
  end();
  clock.advance(60_000);
  assert.equal(looks, 3);
});
