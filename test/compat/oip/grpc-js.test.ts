/** A Node client made from grpc-js and the shipped .proto files. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  credentials,
  type GrpcObject,
  loadPackageDefinition,
  type ServiceClientConstructor,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { OipFixture } from './oip-fixture.ts';

const protos = fileURLToPath(new URL('../../../src/oip/grpc/', import.meta.url));

type Call = (request: object, done: (error: ServiceError | null, answer: Record<string, unknown>) => void) => void;

describe('grpc-js', { timeout: 500_000 }, () => {
  let fixture: OipFixture;
  let client: InstanceType<ServiceClientConstructor>;

  before(async () => {
    fixture = await OipFixture.open();
    const loaded = loadPackageDefinition(loadSync('grpc_service.proto', { keepCase: true, longs: String, includeDirs: [protos] }));
    const Service = (loaded['inference'] as GrpcObject)['GRPCInferenceService'] as ServiceClientConstructor;
    client = new Service(fixture.grpc, credentials.createInsecure());
  });

  after(async () => {
    client?.close();
    await fixture?.close();
  });

  const call = (method: string, request: object): Promise<Record<string, unknown>> =>
    new Promise((resolve, reject) => {
      (client[method] as Call).call(client, request, (error, answer) => (error === null ? resolve(answer) : reject(error)));
    });

  test('reads metadata and infers with typed and raw contents', async () => {
    assert.deepEqual((await call('ServerReady', {}))['ready'], true);
    const { inputs } = await call('ModelMetadata', { name: 'test-affine' });
    assert.deepEqual(inputs, [{ name: 'x', datatype: 'FP32', shape: ['-1', '3'] }]);
    const x = { name: 'x', datatype: 'FP32', shape: [1, 3] };
    const typed = await call('ModelInfer', { model_name: 'test-affine', inputs: [{ ...x, contents: { fp32_contents: [1, 2, 3] } }] });
    const [y] = typed['outputs'] as { contents: { fp32_contents: number[] } }[];
    assert.deepEqual(y?.contents.fp32_contents, [3, 5, 7]);
    const raw = Buffer.from(new Float32Array([1, 2, 3]).buffer);
    const answer = await call('ModelInfer', { model_name: 'test-affine', inputs: [x], raw_input_contents: [raw] });
    assert.deepEqual((answer['raw_output_contents'] as Buffer[])[0], Buffer.from(new Float32Array([3, 5, 7]).buffer));
  });

  test('gets an error that names the unknown model', async () => {
    await assert.rejects(call('ModelInfer', { model_name: 'unknown' }), {
      code: status.NOT_FOUND,
      details: /^model 'unknown' does not exist/,
    });
  });
});
