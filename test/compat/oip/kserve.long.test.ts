/** KServe's client over REST and gRPC. It needs a separate process from tritonclient: both register the same protobuf symbols. */
import { after, before, describe, test } from 'node:test';
import { OipFixture } from './oip-fixture.ts';

describe("KServe's inference clients", { timeout: 500_000 }, () => {
  let fixture: OipFixture;

  before(async () => {
    fixture = await OipFixture.open();
  });

  after(() => fixture?.close());

  test('REST and gRPC', (t) => fixture.python(t, 'kserve', 'kserve_checks.py', { url: fixture.server.url, grpc: fixture.grpc }));
});
