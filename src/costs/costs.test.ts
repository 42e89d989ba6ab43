import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { VirtualClock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import { Ledger } from './ledger.ts';
import { defaultPrices, executorUsd, instanceType, priceTable, threadsOf } from './prices.ts';

describe('the price table', () => {
  test('has one thread of this machine at half a c5.large', () => {
    assert.deepEqual(instanceType(defaultPrices, 'local.1'), { name: 'local.1', vcpu: 1, memoryMiB: 1024, usdPerHour: 0.0425 });
    assert.equal(instanceType(defaultPrices, 'c5.large').usdPerHour, 2 * 0.0425);
    assert.equal(instanceType(defaultPrices, 'ml.m5.large').usdPerHour, 0.115);
  });

  test('names the types there are to who asks for another', () => {
    for (const name of ['c5.huge', '', 'toString', '__proto__']) {
      assert.throws(() => instanceType(defaultPrices, name), { code: 'invalid_request', message: /known are local\.1, .*ml\.m5\.large/ });
    }
  });

  test('takes a part of itself from the configuration and keeps the rest', () => {
    const table = priceTable({
      asOf: '2027-01-01',
      instances: {
        'my.box': { vcpu: 16, memoryMiB: 65_536, usdPerHour: 1, usdPerHourSpot: 0.3 },
        'c5.large': { vcpu: 2, memoryMiB: 4096, usdPerHour: 0.08 },
      },
      functions: { usdPerInvocation: 0 },
    });
    assert.equal(table.asOf, '2027-01-01');
    assert.equal(instanceType(table, 'my.box').usdPerHourSpot, 0.3);
    assert.equal(instanceType(table, 'c5.large').usdPerHour, 0.08);
    assert.equal(instanceType(table, 'local.1').usdPerHour, 0.0425);
    assert.deepEqual(table.functions, { ...defaultPrices.functions, usdPerInvocation: 0 });
    assert.equal(priceTable(null), defaultPrices);
  });

  for (const [given, message] of [
    [{ asof: '2027' }, /unknown setting prices\.asof/],
    [{ asOf: 2027 }, /prices\.asOf in config\.json: expected a date.*got 2027/],
    [{ instances: [] }, /prices\.instances in config\.json: expected a JSON object/],
    [{ instances: { x: { vcpu: 0, memoryMiB: 1, usdPerHour: 1 } } }, /prices\.instances\.x\.vcpu.*above 0, got 0/],
    [{ instances: { x: { vcpu: 1, memoryMiB: 1 } } }, /prices\.instances\.x\.usdPerHour.*got nothing/],
    [{ instances: { x: { vcpu: 1, memoryMiB: 1, usdPerHour: -1 } } }, /0 or more, got -1/],
    [{ instances: { x: { vcpu: 1, memoryMiB: 1, usdPerHour: 1, gpu: 1 } } }, /unknown setting prices\.instances\.x\.gpu/],
    [{ functions: { memoryMiB: [] } }, /a list of sizes/],
    [{ functions: { memoryMiB: ['128'] } }, /memoryMiB\[0\].*got "128"/],
    [{ functions: { usdPerGb: 1 } }, /unknown setting prices\.functions\.usdPerGb/],
  ] as const) {
    test(`refuses ${JSON.stringify(given)} and says what was expected`, () => {
      assert.throws(
        () => priceTable(given),
        (error: PlatformError) => error instanceof PlatformError && error.code === 'invalid_request' && message.test(error.message),
      );
    });
  }

  test('gives a worker the threads of its type, no more than the machine has, at least one', () => {
    assert.deepEqual(
      [threadsOf({ vcpu: 4 }, 2), threadsOf({ vcpu: 2 }, 8), threadsOf({ vcpu: 0.5 }, 8), threadsOf({ vcpu: 2.5 }, 8)],
      [2, 2, 1, 2],
    );
  });
});

test('an hour of an instance costs its price per hour', () => {
  assert.equal(executorUsd(0.085, 3_600_000), 0.085);
});

describe('the ledger', () => {
  test('charges an instance while it runs, whether it works or not', () => {
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

  test('charges an instance that starts again under its name only once', () => {
    const clock = new VirtualClock();
    const ledger = new Ledger(clock);
    ledger.started('w1', 'digits', 'AllTraffic', 3600);
    clock.advance(10_000);
    ledger.started('w1', 'digits', 'AllTraffic', 3600);
    clock.advance(10_000);
    ledger.ended('w1');
    ledger.ended('w1');
    assert.equal(ledger.usage('digits').instanceSeconds, 20);
  });

  test('adds up receipts by endpoint, and one name that begins like another is another', () => {
    const ledger = new Ledger(new VirtualClock());
    ledger.request('digits', 'AllTraffic', 0.25);
    ledger.request('digits', 'Canary', 0.5);
    ledger.request('digits-2', 'AllTraffic', 1);
    assert.deepEqual(ledger.usage('digits'), { instanceSeconds: 0, instanceUsd: 0, requests: 2, receiptsUsd: 0.75 });
  });
});
