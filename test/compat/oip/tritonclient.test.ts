/** NVIDIA's own client, which knows nothing of Penstock: tritonclient over HTTP and over gRPC. */
import { after, before, describe, test } from 'node:test';
import { OipHouse } from './house.ts';

describe('tritonclient', { timeout: 500_000 }, () => {
  let house: OipHouse;

  before(async () => {
    house = await OipHouse.open();
  });

  after(() => house?.close());

  test('over HTTP', (t) => house.python(t, 'tritonclient', 'triton_checks.py', { http: house.address }));
  test('over gRPC', (t) => house.python(t, 'tritonclient', 'triton_checks.py', { grpc: house.grpc }));
});
