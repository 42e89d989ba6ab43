/** Models of unusual form, over every protocol: without inputs, and with sequences as outputs. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { bytesOf, type Tensor } from '../../src/tensor.ts';
import { sendSigned } from '../aws/signed-request.ts';
import { assertSameTensors } from '../models/index.ts';
import { floats, integers, node, onnxFile, sequenceType, tensor, tensorType } from '../models/onnx-builder.ts';
import { at, GrpcClient, grpcAddress } from './grpc-client.ts';
import { infer } from './oip-client.ts';
import { Server } from './server.ts';

/** y = [1, 2, 3] + [10, 10, 10] */
const withoutInputs = onnxFile({
  outputs: [tensor('y', 'FLOAT', [3])],
  nodes: [node('Add', ['a', 'b'], ['y'])],
  constants: { a: floats([3], [1, 2, 3]), b: floats([], [10]) },
});
const y: Tensor = { name: 'y', datatype: 'FP32', shape: [3], data: bytesOf(Float32Array.of(11, 12, 13)) };

/** Splits four columns into two and two, as a sequence. */
const withSequence = onnxFile({
  inputs: [tensor('x', 'FLOAT', ['N', 4])],
  outputs: [{ name: 'pieces', type: sequenceType(tensorType('FLOAT', ['N', 2])) }],
  nodes: [node('SplitToSequence', ['x', 'sizes'], ['pieces'], { axis: 1 })],
  constants: { sizes: integers([2], [2, 2]) },
});

let server: Server;
before(async () => {
  server = await Server.start();
  await server.deploy('constant', withoutInputs);
});
after(() => server?.end());

async function post(path: string, body: string, headers: Readonly<Record<string, string>> = {}) {
  const response = await fetch(`${server.url}${path}`, { method: 'POST', headers, body });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

describe('a model without inputs is called', () => {
  test('by the Open Inference Protocol, as JSON and binary', async () => {
    for (const form of ['json', 'binary'] as const) {
      const { error, outputs } = await infer(server.url, 'constant', [], { form });
      assert.equal(error, null);
      assertSameTensors(outputs, [y]);
    }
    const raw = await fetch(`${server.url}/v2/models/constant/infer`, {
      method: 'POST',
      headers: { 'inference-header-content-length': '0' },
    });
    assert.equal(raw.status, 200);
  });

  test('by the Open Inference Protocol over gRPC', async () => {
    const client = new GrpcClient(await grpcAddress(server));
    try {
      const { reply, refused } = await client.call('ModelInfer', { model_name: 'constant', inputs: [] });
      assert.equal(refused, null);
      assert.deepEqual(at(reply, 'raw_output_contents.0'), Buffer.from(y.data));
    } finally {
      client.close();
    }
  });

  test('by the native API and the predict protocol, with no inputs or one empty row', async () => {
    for (const body of ['{"inputs": []}', '{"instances": [{}]}']) {
      const { status, body: answer } = await post('/api/v1/endpoints/constant/invoke', body, { 'content-type': 'application/json' });
      assert.deepEqual([status, answer.predictions], [200, [[11, 12, 13]]], JSON.stringify(answer));
    }
    const { status, body } = await post('/v1/models/constant:predict', '{"instances": [{}]}');
    assert.deepEqual([status, body], [200, { predictions: [[11, 12, 13]] }]);
  });

  test('by the SageMaker runtime, as JSON or with an empty body', async () => {
    const [id = '', secret = ''] = server.adminKey.split(':');
    for (const [type, body] of [
      ['application/json', '{"inputs": []}'],
      ['application/json', '{"instances": [{}]}'],
      ['application/octet-stream', ''],
    ] as const) {
      const path = '/endpoints/constant/invocations';
      const headers = { 'content-type': type, accept: 'application/json' };
      const { status, body: text } = await sendSigned(server.url, { key: { id, secret }, service: 'sagemaker', path, headers, body });
      assert.equal(status, 200, text);
      assert.match(text, /11,12,13/);
    }
  });

  test('and rows of values are rejected with what to send instead', async () => {
    const { status, body } = await post('/api/v1/endpoints/constant/invoke', '1,2\n', { 'content-type': 'text/csv' });
    assert.deepEqual([status, body.error], [400, 'CSV has values, but the model has no inputs: send {"inputs": []}']);
  });
});

test('a sequence of known length is served as one output for each of its tensors', async () => {
  const version = await server.deploy('pieces', withSequence);
  assert.match(version.notes.join(), /output 'pieces' was a sequence of 2 and is now the outputs pieces_0, pieces_1/);
  const x: Tensor = { name: 'x', datatype: 'FP32', shape: [1, 4], data: bytesOf(Float32Array.of(1, 2, 3, 4)) };
  const { error, outputs } = await infer(server.url, 'pieces', [x]);
  assert.equal(error, null);
  assertSameTensors(outputs, [
    { name: 'pieces_0', datatype: 'FP32', shape: [1, 2], data: bytesOf(Float32Array.of(1, 2)) },
    { name: 'pieces_1', datatype: 'FP32', shape: [1, 2], data: bytesOf(Float32Array.of(3, 4)) },
  ]);
});

test('FP64 sent to FP32 is rejected with the conversion in NumPy, by every protocol that names datatypes', async () => {
  const wrong: Tensor = { name: 'x', datatype: 'FP64', shape: [1, 4], data: bytesOf(Float64Array.of(1, 2, 3, 4)) };
  const cure = ".astype('float32')";
  assert.match((await infer(server.url, 'pieces', [wrong])).error?.error ?? '', /FP64, expected FP32/);
  assert((await infer(server.url, 'pieces', [wrong], { form: 'json' })).error?.error.includes(cure));
  const body = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP64', shape: [1, 4], data: [1, 2, 3, 4] }] });
  const native = await post('/api/v1/endpoints/pieces/invoke', body, { 'content-type': 'application/json' });
  assert(String(native.body.error).includes(cure), JSON.stringify(native.body));
  const [id = '', secret = ''] = server.adminKey.split(':');
  const headers = { 'content-type': 'application/json' };
  const aws = await sendSigned(server.url, {
    key: { id, secret },
    service: 'sagemaker',
    path: '/endpoints/pieces/invocations',
    headers,
    body,
  });
  assert(aws.body.includes(cure), aws.body);
  const client = new GrpcClient(await grpcAddress(server));
  try {
    const inputs = [{ name: 'x', datatype: 'FP64', shape: [1, 4], contents: { fp64_contents: [1, 2, 3, 4] } }];
    const { refused } = await client.call('ModelInfer', { model_name: 'pieces', inputs });
    assert(refused?.details.includes(cure), refused?.details);
  } finally {
    client.close();
  }
});
