import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DeviceShares } from './device-shares.ts';

test('a worker gets a share of the device with the fewest workers, until none is free', () => {
  const shares = new DeviceShares({ 'local.gpu': { devices: [0, 2], perDevice: 2 } });
  const taken = [1, 2, 3, 4].map(() => shares.take('local.gpu'));
  assert.deepEqual(
    taken.map((share) => share?.device),
    [0, 2, 0, 2],
  );
  assert.throws(() => shares.take('local.gpu'), {
    code: 'unavailable',
    message:
      'no device is free for local.gpu: devices 0, 2 of this machine may have 2 workers each, and all are in use. Lower the number of instances, or raise accelerators.local.gpu.perDevice in config.json',
  });
  taken[1]?.release();
  taken[1]?.release();
  assert.equal(shares.take('local.gpu')?.device, 2);
  assert.throws(() => shares.take('local.gpu'));
});

test('a type without devices gets none, whatever its name', () => {
  const shares = new DeviceShares({ 'local.gpu': { devices: [0], perDevice: 1 } });
  for (const type of ['local.1', 'constructor', '__proto__']) assert.equal(shares.take(type), null);
});

test('no device ever has more workers than its type allows', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 60 }), (takes) => {
      const shares = new DeviceShares({ gpu: { devices: [0, 1, 2], perDevice: 2 } });
      const held: NonNullable<ReturnType<DeviceShares['take']>>[] = [];
      for (const isTake of takes) {
        if (!isTake) held.shift()?.release();
        else if (held.length < 6) held.push(shares.take('gpu') as (typeof held)[number]);
        else assert.throws(() => shares.take('gpu'));
        for (const device of [0, 1, 2]) assert(held.filter((share) => share.device === device).length <= 2);
      }
    }),
  );
});
