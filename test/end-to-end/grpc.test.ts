/** The gRPC API of a running server: calls, streams, and hostile or careless clients. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { compressionAlgorithms, status } from '@grpc/grpc-js';
import { loadFileDescriptorSetFromBuffer, type ServiceDefinition } from '@grpc/proto-loader';
import { at, definitionOf, framed, GrpcClient, grpcAddress, type Message, rawCall, rawConnection } from './grpc-client.ts';
import { until } from './poll.ts';
import { Server } from './server.ts';

let server: Server;
let address: string;
let client: GrpcClient;
before(async () => {
  server = await Server.start();
  await Promise.all([server.deploy('affine', 'test_affine'), server.deploy('slow', 'test_slow_loop')]);
  address = await grpcAddress(server);
  client = new GrpcClient(address);
});
after(async () => {
  client?.close();
  await server?.end();
});

function bytesOf(values: readonly number[] | Float32Array): Buffer {
  const floats = Float32Array.from(values);
  return Buffer.from(floats.buffer);
}

/** A request to the affine model: `y = 2x + 1`, and the sum of all y. */
function affine(values: readonly number[] | Float32Array, more: object = {}): object {
  return {
    model_name: 'affine',
    inputs: [{ name: 'x', datatype: 'FP32', shape: [values.length / 3, 3] }],
    raw_input_contents: [bytesOf(values)],
    ...more,
  };
}

/** A request that takes about 4 µs per iteration. */
function slow(iterations: number): object {
  const count = Buffer.alloc(8);
  count.writeBigInt64LE(BigInt(iterations));
  return {
    model_name: 'slow',
    inputs: [
      { name: 'x', datatype: 'FP32', shape: [1, 256] },
      { name: 'iters', datatype: 'INT64', shape: [] },
    ],
    raw_input_contents: [Buffer.alloc(1024), count],
  };
}

async function works(): Promise<void> {
  const { reply, refused } = await client.call('ModelInfer', affine([1, 2, 3]));
  assert.equal(refused, null);
  assert.deepEqual(at(reply, 'raw_output_contents.0'), bytesOf([3, 5, 7]));
}

async function inferences(model: string): Promise<number> {
  const { reply } = await client.call('ModelStatistics', { name: model });
  return Number(at(reply, 'model_stats.0.inference_count'));
}

describe('a call', () => {
  test('can carry 16 MiB in each direction', async () => {
    const values = new Float32Array(3 * 1_400_000).map((_, index) => index % 1000);
    const { reply, refused } = await client.call('ModelInfer', affine(values, { outputs: [{ name: 'y' }] }));
    assert.equal(refused, null);
    assert.deepEqual(at(reply, 'raw_output_contents.0'), bytesOf(values.map((value) => 2 * value + 1)));
  });

  test('can be one of a thousand concurrent calls on one connection', async () => {
    const answers = await Promise.all(
      Array.from({ length: 1000 }, (_, index) => client.call('ModelInfer', affine([index, 0, 0], { id: `${index}` }))),
    );
    for (const [index, { reply, refused }] of answers.entries()) {
      assert.equal(refused, null);
      assert.equal(at(reply, 'id'), String(index));
      assert.deepEqual(at(reply, 'raw_output_contents.0'), bytesOf([2 * index + 1, 1, 1]));
    }
  });

  test('can be compressed', async () => {
    for (const algorithm of [compressionAlgorithms.gzip, compressionAlgorithms.deflate]) {
      const compressing = new GrpcClient(address, { 'grpc.default_compression_algorithm': algorithm });
      const { reply } = await compressing.call('ModelInfer', affine([1, 2, 3]));
      assert.deepEqual(at(reply, 'raw_output_contents.0'), bytesOf([3, 5, 7]));
      compressing.close();
    }
  });

  test('returns its request id, also with an error', async () => {
    const { refused } = await client.call('ModelInfer', { model_name: 'missing' }, { metadata: { 'x-request-id': 'mine-1' } });
    assert.equal(refused?.code, status.NOT_FOUND);
    assert.match(refused?.details ?? '', /model 'missing' does not exist/);
    assert.equal(refused?.metadata['x-request-id'], 'mine-1');
  });

  test('returns the time of each stage on request', async () => {
    const { reply } = await client.call('ModelInfer', affine([1, 2, 3], { parameters: { timings: { bool_param: true } } }));
    assert.equal(at(reply, 'parameters.queue_ms.parameter_choice'), 'double_param');
    assert.equal(at(reply, 'parameters.close_reason.string_param'), 'idle');
  });
});

describe('an invalid call is rejected with the reason, and the next request is served', () => {
  const typed = { name: 'x', datatype: 'FP32', shape: [1, 3], contents: { fp32_contents: [1, 2, 3] } };
  for (const { what, request, code = status.INVALID_ARGUMENT, details } of [
    { what: 'raw and typed inputs together', request: affine([1, 2, 3], { inputs: [typed] }), details: /all raw or all typed/ },
    {
      what: 'raw bytes of a wrong length',
      request: affine([1, 2, 3], { raw_input_contents: [Buffer.alloc(5)] }),
      details: /has 5 bytes.* needs 12/,
    },
    {
      what: 'an unknown version',
      request: affine([1, 2, 3], { model_version: '9' }),
      code: status.NOT_FOUND,
      details: /no version '9'; versions: 1/,
    },
    { what: 'no model', request: {}, code: status.NOT_FOUND, details: /model '' does not exist/ },
    {
      what: 'a name with half a surrogate pair',
      request: affine([1, 2, 3], { model_name: `${'a'.repeat(79)}😀` }),
      code: status.NOT_FOUND,
      details: /aaa/,
    },
  ]) {
    test(what, async () => {
      const { refused } = await client.call('ModelInfer', request);
      assert.equal(refused?.code, code);
      assert.match(refused?.details ?? '', details);
      await works();
    });
  }

  test('bytes that are not a message', async () => {
    for (const method of ['ModelInfer', 'ModelReady', 'RepositoryIndex']) {
      const { refused } = await client.callBytes(definitionOf(method).path, Buffer.from('ffffffff', 'hex'));
      assert.equal(refused?.code, status.INVALID_ARGUMENT, method);
      assert.match(refused?.details ?? '', /not valid protobuf/);
    }
    await works();
  });

  test('unknown methods', async () => {
    for (const path of ['/inference.GRPCInferenceService/SystemSharedMemoryStatus', '/missing.Service/Call', '/%00']) {
      assert.equal((await client.callBytes(path, Buffer.alloc(0))).refused?.code, status.UNIMPLEMENTED, path);
    }
    await works();
  });

  test('a large message to a method that takes names only, with or without compression', async () => {
    const session = rawConnection(address);
    const message = Buffer.from('0a00'.repeat(40_000), 'hex');
    for (const method of ['ModelReady', 'ModelMetadata', 'ServerLive', 'RepositoryIndex']) {
      const plain = rawCall(session, method);
      plain.end(framed(message));
      assert.equal(await statusOf(plain), status.RESOURCE_EXHAUSTED, method);
      const packed = rawCall(session, method, { 'grpc-encoding': 'gzip' });
      const body = framed(gzipSync(message));
      body[0] = 1;
      packed.end(body);
      assert.equal(await statusOf(packed), status.RESOURCE_EXHAUSTED, method);
    }
    session.destroy();
    assert.equal((await client.callBytes('/grpc.health.v1.Health/Check', message)).refused?.code, status.RESOURCE_EXHAUSTED);
    await works();
  });

  test('bytes that are not HTTP/2', async () => {
    const { hostname, port } = new URL(`http://${address}`);
    for (const bytes of ['GET / HTTP/1.1\r\n\r\n', Buffer.alloc(5000, 7), `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${'x'.repeat(3000)}`]) {
      const socket = connect(Number(port), hostname, () => socket.write(bytes));
      socket.on('error', () => {});
      socket.resume();
      await once(socket, 'close');
    }
    await works();
  });

  test('a second message, no message, another content type, and a decompression bomb', async () => {
    const session = rawConnection(address);
    const message = framed(definitionOf('ModelReady').requestSerialize({ name: 'affine' }));
    const twice = rawCall(session, 'ModelReady');
    twice.end(Buffer.concat([message, message]));
    assert.equal(await statusOf(twice), status.UNIMPLEMENTED);
    const none = rawCall(session, 'ModelReady');
    none.end();
    assert.equal(await statusOf(none), status.UNIMPLEMENTED);
    const html = rawCall(session, 'ModelReady', { 'content-type': 'text/html' });
    html.end('<p>');
    const [headers] = await once(html, 'response');
    assert.equal(headers[':status'], 415);
    const bomb = rawCall(session, 'ModelReady', { 'grpc-encoding': 'gzip' });
    const packed = framed(gzipSync(Buffer.alloc(100 * 2 ** 20)));
    packed[0] = 1;
    bomb.end(packed);
    assert.equal(await statusOf(bomb), status.RESOURCE_EXHAUSTED);
    session.destroy();
    await works();
  });
});

async function statusOf(call: ReturnType<typeof rawCall>): Promise<number> {
  call.resume();
  const ends = [
    once(call, 'trailers'),
    once(call, 'response').then(([headers]) => ('grpc-status' in headers ? [headers] : new Promise<never>(() => {}))),
  ];
  const [headers] = await Promise.race(ends);
  return Number(headers['grpc-status']);
}

describe('a call whose client has given up', () => {
  test('is never run, neither after its deadline nor after its cancellation', async () => {
    await client.call('ModelInfer', slow(1));
    const before = await inferences('slow');
    const long = client.call('ModelInfer', slow(800_000));
    await server.busy('slow');
    const late = client.call('ModelInfer', slow(1), { deadlineMs: 100 });
    const timed = client.call('ModelInfer', { ...slow(1), parameters: { timeout: { int64_param: 100_000 } } });
    const storm = Array.from({ length: 100 }, () => {
      const cancellation = new AbortController();
      return { cancellation, answer: client.call('ModelInfer', slow(1), { signal: cancellation.signal }) };
    });
    await until('all calls are queued', async () => (await server.metric('penstock_queue_rows{endpoint="slow"')) >= storm.length);
    for (const { cancellation } of storm) cancellation.abort();
    for (const { answer } of storm) assert.equal((await answer).refused?.code, status.CANCELLED);
    for (const answer of [late, timed]) assert.equal((await answer).refused?.code, status.DEADLINE_EXCEEDED);
    assert.equal((await client.call('ModelInfer', slow(1), { deadlineMs: 1 })).refused?.code, status.DEADLINE_EXCEEDED);
    assert.equal((await long).refused, null);
    await client.call('ModelInfer', slow(1));
    assert.equal(await inferences('slow'), before + 2);
    const line = 'penstock_requests_total{endpoint="slow",variant="AllTraffic",outcome="cancelled"}';
    // A client may give up at its deadline just before the server does. Three calls had a deadline.
    const cancelled = await server.metric(line);
    assert(cancelled >= 100 && cancelled <= 103, `expected 100 to 103 cancelled requests, got ${cancelled}`);
  });
});

describe('a stream', () => {
  const wantsFinal = { triton_enable_empty_final_response: { bool_param: true } };

  test('is answered in request order; a failed request gets an error in its place, and the stream continues', async () => {
    const stream = client.stream('ModelStreamInfer');
    const answers = collect(stream);
    stream.write(affine([1, 2, 3], { id: 'a' }));
    stream.write(affine([1, 2], { id: 'b' }));
    stream.write({ model_name: 'missing', id: 'c' });
    stream.write(affine([4, 5, 6], { id: 'd', parameters: wantsFinal }));
    stream.end();
    const [a, b, c, d] = await answers;
    assert.deepEqual([at(a, 'error_message'), at(a, 'infer_response.id'), at(a, 'infer_response.parameters')], ['', 'a', {}]);
    assert.deepEqual([at(b, 'infer_response.id'), at(c, 'infer_response.id')], ['b', 'c']);
    assert.match(String(at(b, 'error_message')), /'shape' must be an array of integers|input 'x'/);
    assert.match(String(at(c, 'error_message')), /model 'missing' does not exist/);
    assert.equal(at(d, 'infer_response.parameters.triton_final_response.bool_param'), true);
    assert.deepEqual(at(d, 'infer_response.raw_output_contents.0'), bytesOf([9, 11, 13]));
  });

  test('can be one of a thousand', async () => {
    const streams = Array.from({ length: 1000 }, (_, index) => {
      const stream = client.stream('ModelStreamInfer');
      const answers = collect(stream);
      stream.write(affine([index, 0, 0]));
      return { stream, answers };
    });
    for (const { stream } of streams) stream.end(affine([0, 0, 0]));
    for (const [index, { answers }] of streams.entries()) {
      const [first, second] = await answers;
      assert.deepEqual(at(first, 'infer_response.raw_output_contents.0'), bytesOf([2 * index + 1, 1, 1]));
      assert.deepEqual(at(second, 'infer_response.raw_output_contents.0'), bytesOf([1, 1, 1]));
    }
  });

  test('whose client stops reading is no longer read, and does not delay others', async () => {
    const before = await inferences('affine');
    const session = rawConnection(address, 0);
    const call = rawCall(session, 'ModelStreamInfer');
    const message = framed(definitionOf('ModelStreamInfer').requestSerialize(affine(new Float32Array(3 * 20_000))));
    const sent = 400;
    for (let count = 0; count < sent; count++) call.write(message);
    let accepted = -1;
    await until('no more requests are accepted', async () => {
      const now = (await inferences('affine')) - before;
      await new Promise((resolve) => setTimeout(resolve, 300));
      return now === (await inferences('affine')) - before && (accepted = now) > 0;
    });
    // A fixed number: requests in flight, read ahead, and in buffers.
    assert(accepted < 150, `${accepted} of ${sent} requests were accepted although the client read no response`);
    await works();
    session.destroy();
    await works();
  });
});

function collect(stream: ReturnType<GrpcClient['stream']>): Promise<Message[]> {
  return new Promise((resolve, reject) => {
    const answers: Message[] = [];
    stream.on('data', (answer) => answers.push(answer));
    stream.on('end', () => resolve(answers));
    stream.on('error', reject);
  });
}

describe('dialects', () => {
  test('KServe clients name the model in the first field and read the result', async () => {
    const { reply } = await client.call('RepositoryModelLoad', { repository_name: 'affine' });
    assert.deepEqual(reply, { model_name: 'affine', isLoaded: true });
    await works();
  });

  test('MLServer clients use the repository service', async () => {
    const { reply, refused } = await client.callBytes(
      '/inference.model_repository.ModelRepositoryService/RepositoryIndex',
      Buffer.alloc(0),
    );
    assert(refused === null);
    const index = definitionOf('RepositoryIndex').responseDeserialize(reply);
    assert.deepEqual(new Set((at(index, 'models') as Message[]).map((model) => at(model, 'name'))), new Set(['affine', 'slow']));
  });

  test('loading a model with a config is rejected', async () => {
    const { refused } = await client.call('RepositoryModelLoad', { model_name: 'affine', parameters: { config: { string_param: '{}' } } });
    assert.equal(refused?.code, status.INVALID_ARGUMENT);
    assert.match(refused?.details ?? '', /register a new model version/);
  });

  test('a client without .proto files can use server reflection', async () => {
    const stream = client.stream('ServerReflectionInfo', 'reflection');
    const answers = collect(stream);
    stream.write({ list_services: '' });
    stream.write({ file_containing_symbol: 'inference.GRPCInferenceService.ModelInfer' });
    stream.write({ file_by_filename: 'nothing.proto' });
    stream.end();
    const [services, files, none] = await answers;
    const names = (at(services, 'list_services_response.service') as Message[]).map((service) => at(service, 'name'));
    assert.deepEqual(names, ['inference.GRPCInferenceService', 'grpc.health.v1.Health', 'grpc.reflection.v1.ServerReflection']);
    assert.equal(at(none, 'error_response.error_code'), status.NOT_FOUND);
    const set = (at(files, 'file_descriptor_response.file_descriptor_proto') as Buffer[]).map((file) =>
      Buffer.concat([Buffer.of(0x0a), varint(file.length), file]),
    );
    const loaded = loadFileDescriptorSetFromBuffer(Buffer.concat(set), { keepCase: true });
    const reported = (loaded['inference.GRPCInferenceService'] as ServiceDefinition)['ModelInfer'];
    assert(reported !== undefined);
    const { reply } = await client.callBytes(reported.path, reported.requestSerialize(affine([1, 2, 3])));
    assert(reply !== null);
    assert.deepEqual(at(reported.responseDeserialize(reply), 'raw_output_contents.0'), bytesOf([3, 5, 7]));
  });
});

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest >>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
}

describe('a caller without a key', () => {
  for (const [what, options, metadata] of [
    ['with another host name', { 'grpc.default_authority': 'evil.example' }, {}],
    ['through a proxy', {}, { 'x-forwarded-for': '127.0.0.1' }],
    ['from a web page', {}, { origin: 'https://evil.example' }],
  ] as const) {
    test(`${what} is rejected`, async () => {
      const other = new GrpcClient(address, options);
      for (const [method, request] of [
        ['ModelInfer', affine([1, 2, 3])],
        ['ServerMetadata', {}],
      ] as const) {
        assert.equal((await other.call(method, request, { metadata })).refused?.code, status.PERMISSION_DENIED, method);
      }
      assert.deepEqual((await other.call('ServerLive', {}, { metadata })).reply, { live: true });
      other.close();
    });
  }

  test('with a wrong key is rejected, even from loopback', async () => {
    const { refused } = await client.call('ModelInfer', affine([1, 2, 3]), { metadata: { authorization: 'Bearer AKIAX:wrong' } });
    assert.equal(refused?.code, status.UNAUTHENTICATED);
  });
});
