import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import { defaultPrices, executorUsd, instanceType, Ledger, threadsOf } from './index.ts';

test('an instance costs while it runs, whether it works or not', () => {
  const clock = new VirtualClock();
  const ledger = new Ledger(clock);
  ledger.started('w1', 'digits', 'AllTraffic', 3600);
  clock.advance(10_000);
  ledger.started('w2', 'digits', 'Canary', 3600);
  clock.advance(5_000);
  ledger.ended('w2');
  clock.advance(5_000);
  assert.deepEqual(ledger.usage('digits'), { instanceSeconds: 25, instanceUsd: 25, requests: 0, receiptsUsd: 0 });
});

test('receipts are added up by endpoint, and one name that begins like another is another', () => {
  const ledger = new Ledger(new VirtualClock());
  ledger.request('digits', 'AllTraffic', 0.25);
  ledger.request('digits', 'Canary', 0.5);
  ledger.request('digits-2', 'AllTraffic', 1);
  assert.deepEqual(ledger.usage('digits'), { instanceSeconds: 0, instanceUsd: 0, requests: 2, receiptsUsd: 0.75 });
});

test('an unknown instance type is refused with the list of those there are', () => {
  assert.throws(
    () => instanceType(defaultPrices, 'constructor'),
    (error) => error instanceof PlatformError && error.code === 'invalid_request' && /local\.1/.test(error.message),
  );
});

test('a type gives as many threads as it has vCPUs and the machine has cores', () => {
  const type = instanceType(defaultPrices, 'c5.2xlarge');
  assert.deepEqual(
    [1, 2, 16].map((cores) => threadsOf(type, cores)),
    [1, 2, 8],
  );
});

test('an hour of an instance costs its price per hour', () => {
  assert.equal(executorUsd(0.085, 3_600_000), 0.085);
});
