import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { acceleratorTable } from './accelerators.ts';
import { instanceType, priceTable } from './prices.ts';

const gpu = { devices: [0, 1], memoryMiB: 81_920, perDevice: 2, usdPerHour: 2.5 };

describe('accelerators of config.json', () => {
  test('are instance types with a price, also under the name of an AWS type', () => {
    const accelerators = acceleratorTable({ 'local.gpu': gpu, 'ml.g5.xlarge': { ...gpu, vcpu: 4 } });
    const prices = priceTable({ instances: { 'local.small': { vcpu: 0.5, memoryMiB: 512, usdPerHour: 0.01 } } }, accelerators);
    assert.deepEqual(instanceType(prices, 'local.gpu'), {
      name: 'local.gpu',
      vcpu: 1,
      memoryMiB: 81_920,
      usdPerHour: 2.5,
      hasDevices: true,
    });
    assert.equal(instanceType(prices, 'ml.g5.xlarge').vcpu, 4);
    assert.equal(instanceType(prices, 'local.small').memoryMiB, 512);
    assert.deepEqual([accelerators['local.gpu']?.devices, accelerators['local.gpu']?.perDevice], [[0, 1], 2]);
  });

  test('default to one worker on a device', () => {
    const { perDevice: _two, ...rest } = gpu;
    assert.equal(acceleratorTable({ 'local.gpu': rest })['local.gpu']?.perDevice, 1);
    assert.deepEqual(acceleratorTable(null), {});
  });

  for (const [provided, says] of [
    [{ 'local gpu': gpu }, 'accelerators in config.json: expected names of instance types such as local.gpu, got "local gpu"'],
    [{ a: [] }, 'accelerators.a in config.json: expected a JSON object, got []'],
    [
      { a: { ...gpu, devices: [] } },
      'accelerators.a.devices in config.json: expected a list of 1 to 64 different indexes of devices, such as [0, 1], got []',
    ],
    [
      { a: { ...gpu, devices: [0, 0] } },
      'accelerators.a.devices in config.json: expected a list of 1 to 64 different indexes of devices, such as [0, 1], got [0,0]',
    ],
    [{ a: { ...gpu, perDevice: 0 } }, 'accelerators.a.perDevice in config.json: expected a whole number from 1 to 64, got 0'],
    [{ a: { ...gpu, memoryMiB: '80' } }, 'accelerators.a.memoryMiB in config.json: expected a number above 0, got "80"'],
    [{ a: { devices: [0], memoryMiB: 1 } }, 'accelerators.a.usdPerHour in config.json: expected a number above 0, got nothing'],
    [
      { a: { ...gpu, cores: 2 } },
      'accelerators.a.cores in config.json: expected only devices, memoryMiB, perDevice, usdPerHour, vcpu, got "cores"',
    ],
  ] as const) {
    test(`reject ${JSON.stringify(provided).slice(0, 60)}`, () => {
      assert.throws(() => acceleratorTable(provided), { code: 'invalid_request', message: says });
    });
  }
});
