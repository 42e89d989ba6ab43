/** NVIDIA's unmodified tritonclient over HTTP and gRPC. */
import { after, before, describe, test } from 'node:test';
import { OipFixture } from './oip-fixture.ts';

describe('tritonclient', { timeout: 500_000 }, () => {
  let fixture: OipFixture;

  before(async () => {
    fixture = await OipFixture.open();
  });

  after(() => fixture?.close());

  test('over HTTP', (t) => fixture.python(t, 'tritonclient', 'triton_checks.py', { http: fixture.address }));
  test('over gRPC', (t) => fixture.python(t, 'tritonclient', 'triton_checks.py', { grpc: fixture.grpc }));
});

describe('tritonclient through gateway processes', { timeout: 500_000 }, () => {
  let fixture: OipFixture;

  before(async () => {
    fixture = await OipFixture.open(['--gateways', '2']);
  });

  after(() => fixture?.close());

  test('over gRPC', (t) => fixture.python(t, 'tritonclient', 'triton_checks.py', { grpc: fixture.grpc }));
});
