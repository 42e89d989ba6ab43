import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TrafficMeter } from './traffic-meter.ts';

test('rows in the system are integrated over time, and arrivals only rise', () => {
  const meter = new TrafficMeter('digits', 'AllTraffic');
  meter.arrived(2, 100);
  meter.arrived(1, 110); // 20 row-milliseconds so far
  meter.departed(2, 130); // and 60 more
  assert.deepEqual(meter.counts(140), { requestsArrived: 2, rowsArrived: 3, rowMs: 90, requests: 0, violations: 0, overflowed: 0 });
  assert.deepEqual(meter.soFar, { endpoint: 'digits', variant: 'AllTraffic', requests: 2, rows: 3 });
  meter.departed(1, 150);
  assert.deepEqual(meter.counts(1000), { requestsArrived: 2, rowsArrived: 3, rowMs: 100, requests: 0, violations: 0, overflowed: 0 });
});

test('late and unserved requests count as violations; invalid ones do not count', () => {
  const meter = new TrafficMeter('digits', 'AllTraffic');
  meter.answered(true, false);
  meter.answered(true, true);
  meter.answered(false, false);
  meter.refused('overloaded');
  meter.refused('invalid_request');
  const { requests, violations, overflowed } = meter.counts(0);
  assert.deepEqual([requests, violations, overflowed], [4, 2, 1]);
});
