import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { VirtualClock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import { billedMs, functionShape, functionUsd, functionVcpu, pingUsdPerHour, provisionedUsdPerHour } from './functions.ts';
import { Ledger } from './ledger.ts';
import { defaultPrices, executorUsd, heldVcpu, instanceType, priceTable, threadsOf } from './prices.ts';

describe('the price table', () => {
  test('limits types with less than one vCPU to their share, if the provider can limit CPU', () => {
    assert.deepEqual([heldVcpu({ vcpu: 0.25 }, true), heldVcpu({ vcpu: 0.25 }, false), heldVcpu({ vcpu: 1 }, true)], [0.25, null, null]);
  });

  test('prices one thread of this machine at half a c5.large', () => {
    assert.deepEqual(instanceType(defaultPrices, 'local.1'), { name: 'local.1', vcpu: 1, memoryMiB: 1024, usdPerHour: 0.0425 });
    assert.equal(instanceType(defaultPrices, 'c5.large').usdPerHour, 2 * 0.0425);
    assert.equal(instanceType(defaultPrices, 'ml.m5.large').usdPerHour, 0.115);
  });

  test('names the known types if the type is unknown', () => {
    for (const name of ['c5.huge', '', 'toString', '__proto__']) {
      assert.throws(() => instanceType(defaultPrices, name), {
        code: 'invalid_request',
        message: /expected one of local\.1, .*ml\.m5\.large/,
      });
    }
  });

  test('merges the configuration into the default table', () => {
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
    assert.equal(priceTable({ functions: { billingGranularityMs: 100 } }).functions.billingGranularityMs, 100);
  });

  for (const [provided, message] of [
    [{ asof: '2027' }, /unknown setting prices\.asof/],
    [{ asOf: 2027 }, /prices\.asOf in config\.json: expected a date.*got 2027/],
    [{ instances: [] }, /prices\.instances in config\.json: expected a JSON object/],
    [{ instances: { x: { vcpu: 0, memoryMiB: 1, usdPerHour: 1 } } }, /prices\.instances\.x\.vcpu.*above 0, got 0/],
    [{ instances: { x: { vcpu: 1, memoryMiB: 1 } } }, /prices\.instances\.x\.usdPerHour.*got nothing/],
    [{ instances: { x: { vcpu: 1, memoryMiB: 1, usdPerHour: -1 } } }, /0 or more, got -1/],
    [{ instances: { x: { vcpu: 1, memoryMiB: 1, usdPerHour: 1, gpu: 1 } } }, /unknown setting prices\.instances\.x\.gpu/],
    [{ functions: { memoryMiB: [] } }, /a list of sizes/],
    [{ functions: { memoryMiB: ['128'] } }, /memoryMiB\[0\].*got "128"/],
    [{ functions: { billingGranularityMs: 0 } }, /billingGranularityMs.*above 0, got 0/],
    [{ functions: { usdPerProvisionedGbSecond: -1 } }, /usdPerProvisionedGbSecond.*0 or more/],
    [{ functions: { usdPerGb: 1 } }, /unknown setting prices\.functions\.usdPerGb/],
  ] as const) {
    test(`rejects ${JSON.stringify(provided)} with what was expected`, () => {
      assert.throws(
        () => priceTable(provided),
        (error: PlatformError) => error instanceof PlatformError && error.code === 'invalid_request' && message.test(error.message),
      );
    });
  }

  test('gives a worker the threads of its type: at least one, at most those of the machine', () => {
    assert.deepEqual(
      [threadsOf({ vcpu: 4 }, 2), threadsOf({ vcpu: 2 }, 8), threadsOf({ vcpu: 0.5 }, 8), threadsOf({ vcpu: 2.5 }, 8)],
      [2, 2, 1, 2],
    );
  });
});

test('an hour of an instance costs its price per hour', () => {
  assert.equal(executorUsd(0.085, 3_600_000), 0.085);
});

describe('a function', () => {
  const prices = defaultPrices.functions;

  test('is billed per started millisecond, plus once per invocation', () => {
    assert.deepEqual(
      [0.2, 1, 1.0000000000001, 12.2].map((ms) => billedMs(prices, ms)),
      [1, 1, 1, 13],
    );
    assert.equal(functionUsd(prices, 1024, 1000), 1.66667e-5 + 2e-7);
    assert.equal(functionUsd(prices, 2048, 0.3), 2 * 0.001 * 1.66667e-5 + 2e-7);
    assert.equal(functionUsd({ ...prices, billingGranularityMs: 100 }, 1024, 101), 0.2 * 1.66667e-5 + 2e-7);
  });

  test('never costs less for more memory or time, or for a batch split in two', () => {
    const memory = fc.constantFrom(...prices.memoryMiB);
    const time = fc.double({ min: 0.001, max: 60_000, noNaN: true });
    fc.assert(
      fc.property(memory, time, time, (memoryMiB, first, second) => {
        const whole = functionUsd(prices, memoryMiB, first + second);
        assert.ok(whole >= functionUsd(prices, memoryMiB, first));
        assert.ok(whole <= functionUsd(prices, 10_240, first + second) + 1e-18);
        assert.ok(whole < functionUsd(prices, memoryMiB, first) + functionUsd(prices, memoryMiB, second));
      }),
    );
  });

  test('has one vCPU per 1769 MiB, and one thread per whole vCPU', () => {
    assert.equal(functionVcpu(1769), 1);
    assert.deepEqual(functionShape(1024, 2, true), { threads: 1, vcpuMax: 1024 / 1769 });
    assert.deepEqual(functionShape(6144, 2, true), { threads: 2, vcpuMax: 6144 / 1769 });
    assert.deepEqual(functionShape(6144, 8, true), { threads: 3, vcpuMax: 6144 / 1769 });
  });

  test('runs with one thread at every size if CPU cannot be limited', () => {
    for (const size of prices.memoryMiB) assert.deepEqual(functionShape(size, 8, false), { threads: 1, vcpuMax: null });
  });
});

describe('the ledger', () => {
  const nothing = new Ledger(new VirtualClock()).usage('unknown');

  test('charges an instance while it runs, busy or idle', () => {
    const clock = new VirtualClock();
    const ledger = new Ledger(clock);
    ledger.started('w1', 'digits', 'AllTraffic', 3600);
    clock.advance(10_000);
    ledger.started('w2', 'digits', 'Canary', 3600);
    clock.advance(5_000);
    ledger.ended('w2');
    clock.advance(5_000);
    assert.deepEqual(ledger.usage('digits'), { ...nothing, instanceSeconds: 25, instanceUsd: 25, totalUsd: 25 });
    assert.equal(ledger.usage('digits', 'Canary').instanceSeconds, 5);
    assert.deepEqual(
      ledger.variants(),
      ['AllTraffic', 'Canary'].map((variant) => ({ endpoint: 'digits', variant, usage: ledger.usage('digits', variant) })),
    );
  });

  test('charges an instance once if it is reported as started twice', () => {
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

  test('charges a stopped instance for at least a minute, and a warm function by time', () => {
    const clock = new VirtualClock();
    const ledger = new Ledger(clock);
    ledger.started('w1', 'digits', 'AllTraffic', 3600);
    ledger.started('w2', 'digits', 'AllTraffic', 3600);
    ledger.startedWarm('f1', 'warm', 'AllTraffic', 3600);
    clock.advance(10_000);
    ledger.started('w2', 'digits', 'AllTraffic', 3600); // ready now, but charged since its launch
    ledger.terminated('w1');
    ledger.ended('w1');
    ledger.terminated('f1');
    ledger.terminated('unknown');
    clock.advance(60_000);
    ledger.terminated('w2');
    assert.equal(ledger.usage('digits').instanceSeconds, 60 + 70);
    assert.equal(ledger.usage('warm').instanceSeconds, 10);
  });

  test('sums request costs by endpoint, even if one name is a prefix of another', () => {
    const ledger = new Ledger(new VirtualClock());
    ledger.request('digits', 'AllTraffic', 0.25);
    ledger.request('digits', 'Canary', 0.5);
    ledger.request('digits-2', 'AllTraffic', 1);
    assert.deepEqual(ledger.usage('digits'), { ...nothing, requests: 2, receiptsUsd: 0.75 });
  });

  test('starts at zero for a new endpoint with the name of a deleted one, and retains the total cost', () => {
    const clock = new VirtualClock();
    const ledger = new Ledger(clock);
    const account = ledger.accountOf('digits', 'AllTraffic');
    ledger.started('w1', 'digits', 'AllTraffic', 3600);
    account.answered(0.25);
    clock.advance(100_000);
    ledger.ended('w1');
    ledger.request('digits-2', 'AllTraffic', 0.25);
    ledger.stopped('digits');
    assert.deepEqual([ledger.usage('digits'), ledger.variantsOf('digits')], [nothing, []]);
    ledger.started('w1', 'digits', 'AllTraffic', 3600);
    ledger.request('digits', 'Canary', 0.5);
    account.answered(0.5);
    clock.advance(5000);
    const used = { ...nothing, instanceSeconds: 5, instanceUsd: 5, totalUsd: 5, requests: 1, receiptsUsd: 0.5 };
    assert.deepEqual(ledger.usage('digits', 'AllTraffic'), used);
    assert.equal(ledger.usage('digits').requests, 2);
    assert.deepEqual(
      ledger.variantsOf('digits').map(({ variant, usage }) => [variant, usage.requests]),
      [
        ['AllTraffic', 1],
        ['Canary', 1],
      ],
    );
    assert.equal(ledger.usage('digits-2').requests, 1);
    assert.deepEqual(
      ledger.variants().map(({ endpoint, variant, usage }) => [`${endpoint}/${variant}`, usage.totalUsd]),
      [
        ['digits/AllTraffic', 105],
        ['digits-2/AllTraffic', 0],
        ['digits/Canary', 0],
      ],
    );
  });

  test('counts failed requests, and the cost of failed runs separately', () => {
    const ledger = new Ledger(new VirtualClock());
    const account = ledger.accountOf('digits', 'AllTraffic');
    account.answered(0.25);
    account.failed();
    account.runFailed(0.5);
    assert.deepEqual(ledger.usage('digits'), { ...nothing, requests: 1, receiptsUsd: 0.25, failedRequests: 1, failedRunsUsd: 0.5 });
  });

  test('charges a function by invocation, and a warm environment by time', () => {
    const clock = new VirtualClock();
    const ledger = new Ledger(clock);
    const prices = defaultPrices.functions;
    assert.ok(Math.abs(pingUsdPerHour(prices, 2048) - 12 * (2 * 0.02 * prices.usdPerGbSecond + prices.usdPerInvocation)) < 1e-15);
    ledger.startedWarm('f1', 'digits', 'AllTraffic', provisionedUsdPerHour(prices, 2048));
    clock.advance(3_600_000);
    ledger.ended('f1');
    const usd = functionUsd(prices, 2048, 12.2);
    ledger.invoked('digits', 'AllTraffic', { memoryMiB: 2048, billedMs: billedMs(prices, 12.2), usd, isColdStart: true });
    ledger.invoked('digits', 'AllTraffic', { memoryMiB: 2048, billedMs: billedMs(prices, 12.2), usd, isColdStart: false });
    const usage = ledger.usage('digits');
    assert.deepEqual([usage.invocations, usage.coldStarts, usage.functionUsd], [2, 1, 2 * usd]);
    assert.ok(Math.abs(usage.functionGbSeconds - 2 * 2 * 0.013) < 1e-12);
    assert.ok(Math.abs(usage.instanceUsd - 2 * 3600 * 4.1667e-6) < 1e-12);
    assert.deepEqual([usage.provisionedSeconds, usage.provisionedUsd], [usage.instanceSeconds, usage.instanceUsd]);
    assert.equal(usage.totalUsd, usage.instanceUsd + usage.functionUsd);
  });
});
