import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServedBody } from '../../../api/index.ts';
import { servedText } from './profile.ts';

const point = (b: number, basis: 'served' | 'measured', samples: number): ServedBody['service'][number] => ({
  b,
  basis,
  p50_ms: 1,
  p95_ms: 2,
  p99_ms: 3,
  samples,
  quantiles_ms: [],
});

test('marks batch sizes that were served too rarely among those observed while serving', () => {
  const served = { executor: 'instance:local.1', batches: 120, batch_max: 2, service: [point(1, 'served', 120), point(2, 'measured', 30)] };
  assert.deepEqual(servedText('digits/1', served).split('\n'), [
    'digits/1 on instance:local.1, observed over 120 served batches',
    'ROWS   P50   P95   P99  SAMPLES  BASIS',
    '   1  1 ms  2 ms  3 ms      120  served',
    '   2  1 ms  2 ms  3 ms       30  measured',
    'measured: profiled on an idle processor, because fewer than 50 batches of that size were served',
    '',
  ]);
  const all = { ...served, service: [point(1, 'served', 120)] };
  assert.doesNotMatch(servedText('digits/1', all), /measured/);
});
