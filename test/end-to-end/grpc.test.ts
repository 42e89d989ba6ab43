/** The gRPC side of a server as users have it: calls, streams, health, and what hostile or careless clients do to it. */
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

/** To the affine model: `y = 2x + 1`, and the sum of all y. */
function affine(values: readonly number[] | Float32Array, more: object = {}): object {
  return {
    model_name: 'affine',
    inputs: [{ name: 'x', datatype: 'FP32', shape: [values.length / 3, 3] }],
    raw_input_contents: [bytesOf(values)],
    ...more,
  };
}

/** About 4 µs an iteration. */
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
  const { reply, refused } = await client.ask('ModelInfer', affine([1, 2, 3]));
  assert.equal(refused, null);
  assert.deepEqual(at(reply, 'raw_output_contents.0'), bytesOf([3, 5, 7]));
}

async function inferences(model: string): Promise<number> {
  const { reply } = await client.ask('ModelStatistics', { name: model });
  return Number(at(reply, 'model_stats.0.inference_count'));
}

describe('a call', () => {
  test('may bring 16 MiB and is answered with as many', async () => {
    const values = new Float32Array(3 * 1_400_000).map((_, index) => index % 1000);
    const { reply, refused } = await client.ask('ModelInfer', affine(values, { outputs: [{ name: 'y' }] }));
    assert.equal(refused, null);
    assert.deepEqual(at(reply, 'raw_output_contents.0'), bytesOf(values.map((value) => 2 * value + 1)));
  });

  test('may be one of a thousand at the same time, on one connection', async () => {
    const answers = await Promise.all(
      Array.from({ length: 1000 }, (_, index) => client.ask('ModelInfer', affine([index, 0, 0], { id: `${index}` }))),
    );
    for (const [index, { reply, refused }] of answers.entries()) {
      assert.equal(refused, null);
      assert.equal(at(reply, 'id'), String(index));
      assert.deepEqual(at(reply, 'raw_output_contents.0'), bytesOf([2 * index + 1, 1, 1]));
    }
  });

  test('may be compressed', async () => {
    for (const algorithm of [compressionAlgorithms.gzip, compressionAlgorithms.deflate]) {
      const compressing = new GrpcClient(address, { 'grpc.default_compression_algorithm': algorithm });
      const { reply } = await compressing.ask('ModelInfer', affine([1, 2, 3]));
      assert.deepEqual(at(reply, 'raw_output_contents.0'), bytesOf([3, 5, 7]));
      compressing.close();
    }
  });

  test('carries the id it came with, also when it is refused', async () => {
    const { refused } = await client.ask('ModelInfer', { model_name: 'nobody' }, { metadata: { 'x-request-id': 'mine-1' } });
    assert.equal(refused?.code, status.NOT_FOUND);
    assert.match(refused?.details ?? '', /model 'nobody' is not known/);
    assert.equal(refused?.metadata['x-request-id'], 'mine-1');
  });

  test('says in its parameters how long each stage took, where that is asked', async () => {
    const { reply } = await client.ask('ModelInfer', affine([1, 2, 3], { parameters: { timings: { bool_param: true } } }));
    assert.equal(at(reply, 'parameters.queue_ms.parameter_choice'), 'double_param');
    assert.equal(at(reply, 'parameters.close_reason.string_param'), 'idle');
  });
});

describe('what is wrong is refused with the reason, and the next request is served', () => {
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
    { what: 'no model', request: {}, code: status.NOT_FOUND, details: /model '' is not known/ },
    {
      what: 'a text with half a character',
      request: affine([1, 2, 3], { model_name: `${'a'.repeat(79)}😀` }),
      code: status.NOT_FOUND,
      details: /aaa/,
    },
  ]) {
    test(what, async () => {
      const { refused } = await client.ask('ModelInfer', request);
      assert.equal(refused?.code, code);
      assert.match(refused?.details ?? '', details);
      await works();
    });
  }

  test('bytes that are no message', async () => {
    for (const method of ['ModelInfer', 'ModelReady', 'RepositoryIndex']) {
      const { refused } = await client.askBytes(definitionOf(method).path, Buffer.from('ffffffff', 'hex'));
      assert.equal(refused?.code, status.INVALID_ARGUMENT, method);
      assert.match(refused?.details ?? '', /no valid protobuf/);
    }
    await works();
  });

  test('calls that are not served', async () => {
    for (const path of ['/inference.GRPCInferenceService/SystemSharedMemoryStatus', '/nobody.Service/Call', '/%00']) {
      assert.equal((await client.askBytes(path, Buffer.alloc(0))).refused?.code, status.UNIMPLEMENTED, path);
    }
    await works();
  });

  test('bytes that are not even HTTP/2', async () => {
    const { hostname, port } = new URL(`http://${address}`);
    for (const bytes of ['GET / HTTP/1.1\r\n\r\n', Buffer.alloc(5000, 7), `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${'x'.repeat(3000)}`]) {
      const socket = connect(Number(port), hostname, () => socket.write(bytes));
      socket.on('error', () => {});
      socket.resume();
      await once(socket, 'close');
    }
    await works();
  });

  test('frames that are no call, a second message, and a content type of something else', async () => {
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

describe('a call that nobody waits for any more', () => {
  test('is never run: not after its deadline, nor once it was cancelled, however many there are', async () => {
    await client.ask('ModelInfer', slow(1));
    const before = await inferences('slow');
    const long = client.ask('ModelInfer', slow(800_000));
    await server.busy('slow');
    const late = client.ask('ModelInfer', slow(1), { deadlineMs: 100 });
    const timed = client.ask('ModelInfer', { ...slow(1), parameters: { timeout: { int64_param: 100_000 } } });
    const storm = Array.from({ length: 300 }, () => {
      const leaving = new AbortController();
      return { leaving, answer: client.ask('ModelInfer', slow(1), { signal: leaving.signal }) };
    });
    await until('the storm is in the queue', async () => (await server.metric('penstock_queue_rows{endpoint="slow"')) >= 300);
    for (const { leaving } of storm) leaving.abort();
    for (const { answer } of storm) assert.equal((await answer).refused?.code, status.CANCELLED);
    for (const answer of [late, timed]) assert.equal((await answer).refused?.code, status.DEADLINE_EXCEEDED);
    assert.equal((await client.ask('ModelInfer', slow(1), { deadlineMs: 1 })).refused?.code, status.DEADLINE_EXCEEDED);
    assert.equal((await long).refused, null);
    await client.ask('ModelInfer', slow(1));
    assert.equal(await inferences('slow'), before + 2);
    const line = 'penstock_requests_total{endpoint="slow",variant="AllTraffic",outcome="cancelled"}';
    // A client may give up at its deadline just before the server does: there were three with one.
    const cancelled = await server.metric(line);
    assert(cancelled >= 300 && cancelled <= 303, `${cancelled} of 300 were counted as cancelled`);
  });
});

describe('a stream', () => {
  const isFinalAsked = { triton_enable_empty_final_response: { bool_param: true } };

  test('is answered in the order of its requests; a request that fails is told so in place, and ends nothing', async () => {
    const stream = client.stream('ModelStreamInfer');
    const answers = collect(stream);
    stream.write(affine([1, 2, 3], { id: 'a' }));
    stream.write(affine([1, 2], { id: 'b' }));
    stream.write({ model_name: 'nobody', id: 'c' });
    stream.write(affine([4, 5, 6], { id: 'd', parameters: isFinalAsked }));
    stream.end();
    const [a, b, c, d] = await answers;
    assert.deepEqual([at(a, 'error_message'), at(a, 'infer_response.id'), at(a, 'infer_response.parameters')], ['', 'a', {}]);
    assert.deepEqual([at(b, 'infer_response.id'), at(c, 'infer_response.id')], ['b', 'c']);
    assert.match(String(at(b, 'error_message')), /'shape' must be an array of integers|input 'x'/);
    assert.match(String(at(c, 'error_message')), /model 'nobody' is not known/);
    assert.equal(at(d, 'infer_response.parameters.triton_final_response.bool_param'), true);
    assert.deepEqual(at(d, 'infer_response.raw_output_contents.0'), bytesOf([9, 11, 13]));
  });

  test('may be one of a thousand', async () => {
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

  test('whose client stops reading is not read from either, and holds up nobody else', async () => {
    const before = await inferences('affine');
    const session = rawConnection(address, 0);
    const call = rawCall(session, 'ModelStreamInfer');
    const message = framed(definitionOf('ModelStreamInfer').requestSerialize(affine(new Float32Array(3 * 20_000))));
    const sent = 400;
    for (let count = 0; count < sent; count++) call.write(message);
    let seen = -1;
    await until('nothing more is taken', async () => {
      const now = (await inferences('affine')) - before;
      await new Promise((resolve) => setTimeout(resolve, 300));
      return now === (await inferences('affine')) - before && (seen = now) > 0;
    });
    // Those under way, those that were read ahead, those that were written and not taken: a fixed number.
    assert(seen < 150, `${seen} of ${sent} requests were taken though nobody read an answer`);
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
  test("KServe's clients name the model in the first field and read what became of it", async () => {
    const { reply } = await client.ask('RepositoryModelLoad', { repository_name: 'affine' });
    assert.deepEqual(reply, { model_name: 'affine', isLoaded: true });
    await works();
  });

  test("MLServer's clients find the repository at its own service", async () => {
    const { reply, refused } = await client.askBytes('/inference.model_repository.ModelRepositoryService/RepositoryIndex', Buffer.alloc(0));
    assert(refused === null);
    const index = definitionOf('RepositoryIndex').responseDeserialize(reply);
    assert.deepEqual(new Set((at(index, 'models') as Message[]).map((model) => at(model, 'name'))), new Set(['affine', 'slow']));
  });

  test('a file cannot be loaded in place of a model', async () => {
    const { refused } = await client.ask('RepositoryModelLoad', { model_name: 'affine', parameters: { config: { string_param: '{}' } } });
    assert.equal(refused?.code, status.INVALID_ARGUMENT);
    assert.match(refused?.details ?? '', /register a new model version/);
  });

  test('a client without .proto files makes them from what the server tells', async () => {
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
    const told = (loaded['inference.GRPCInferenceService'] as ServiceDefinition)['ModelInfer'];
    assert(told !== undefined);
    const { reply } = await client.askBytes(told.path, told.requestSerialize(affine([1, 2, 3])));
    assert(reply !== null);
    assert.deepEqual(at(told.responseDeserialize(reply), 'raw_output_contents.0'), bytesOf([3, 5, 7]));
  });
});

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest >>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
}

describe('whoever shows no key', () => {
  for (const [what, options, metadata] of [
    ['but a name that is not this machine', { 'grpc.default_authority': 'evil.example' }, {}],
    ['but comes through a proxy', {}, { 'x-forwarded-for': '127.0.0.1' }],
    ['but comes from a page', {}, { origin: 'https://evil.example' }],
  ] as const) {
    test(`${what} is turned away`, async () => {
      const other = new GrpcClient(address, options);
      for (const [method, request] of [
        ['ModelInfer', affine([1, 2, 3])],
        ['ServerMetadata', {}],
      ] as const) {
        assert.equal((await other.ask(method, request, { metadata })).refused?.code, status.PERMISSION_DENIED, method);
      }
      assert.deepEqual((await other.ask('ServerLive', {}, { metadata })).reply, { live: true });
      other.close();
    });
  }

  test('and with a wrong one, though from this machine, is turned away too', async () => {
    const { refused } = await client.ask('ModelInfer', affine([1, 2, 3]), { metadata: { authorization: 'Bearer AKIAX:wrong' } });
    assert.equal(refused?.code, status.UNAUTHENTICATED);
  });
});
