/** KServe's own client, REST and gRPC. It cannot be in one process with tritonclient: both register the same protobuf symbols. */
import { after, before, describe, test } from 'node:test';
import { OipHouse } from './house.ts';

describe("KServe's inference clients", { timeout: 500_000 }, () => {
  let house: OipHouse;

  before(async () => {
    house = await OipHouse.open();
  });

  after(() => house?.close());

  test('REST and gRPC', (t) => house.python(t, 'kserve', 'kserve_checks.py', { url: house.server.url, grpc: house.grpc }));
});
