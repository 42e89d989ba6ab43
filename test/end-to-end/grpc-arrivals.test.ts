/** gRPC messages that are still arriving: who may send one, and how much memory and time all of them together get. */
import assert from 'node:assert/strict';
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { status } from '@grpc/grpc-js';
import { definitionOf, framed, GrpcClient, grpcAddress, rawCall, rawConnection } from './grpc-client.ts';
import { until } from './poll.ts';
import { Server } from './server.ts';

const limitBytes = 2 ** 20;
/** The budget of all bodies is sixteen of the largest. */
const budgetBytes = 16 * limitBytes;
const rows = limitBytes / 16;
const x = { name: 'x', datatype: 'FP32', shape: [rows, 3] };
const message = framed(
  definitionOf('ModelInfer').requestSerialize({ model_name: 'affine', inputs: [x], raw_input_contents: [Buffer.alloc(12 * rows)] }),
);

let server: Server;
let address: string;
let client: GrpcClient;
let session: ClientHttp2Session;
before(async () => {
  server = await Server.start({ flags: ['--body-limit', String(limitBytes), '--invocation-limit', String(limitBytes)] });
  await server.deploy('affine', 'test_affine');
  address = await grpcAddress(server);
  client = new GrpcClient(address);
});
after(async () => {
  client?.close();
  await server?.end();
});
beforeEach(() => {
  session = rawConnection(address);
  session.on('error', () => {});
});
afterEach(async () => {
  session.destroy();
  await until('the memory of the messages is free again', async () => (await usedBytes()) === 0);
  const y = { model_name: 'affine', inputs: [{ ...x, shape: [1, 3] }], raw_input_contents: [Buffer.alloc(12)] };
  assert.equal((await client.call('ModelInfer', y)).refused, null);
});

/** Memory that bodies and messages use now. */
async function usedBytes(): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(/^penstock_bodies_bytes\{state="used"\} (\d+)$/m.exec(text)?.[1]);
}

/** Statuses of the calls that have ended. */
function statusesOf(calls: readonly ClientHttp2Stream[]): number[] {
  const statuses: number[] = [];
  for (const call of calls) {
    call.on('error', () => {});
    call.on('response', (headers) => 'grpc-status' in headers && statuses.push(Number(headers['grpc-status'])));
    call.resume();
  }
  return statuses;
}

function open(method: string, count: number, headers: Readonly<Record<string, string>> = {}): ClientHttp2Stream[] {
  return Array.from({ length: count }, () => rawCall(session, method, headers));
}

describe('messages of a caller without permission', () => {
  for (const method of ['ModelInfer', 'ModelStreamInfer']) {
    test(`are not read: ${method} is rejected by its headers`, async () => {
      const calls = open(method, 40, { 'x-forwarded-for': '192.0.2.1' });
      const statuses = statusesOf(calls);
      for (const call of calls) call.write(message.subarray(0, -1));
      await until('all calls are rejected', () => statuses.length === 40);
      assert.deepEqual(new Set(statuses), new Set([status.PERMISSION_DENIED]));
      assert.equal(await usedBytes(), 0);
    });
  }
});

describe('messages that never become complete', () => {
  for (const method of ['ModelInfer', 'ModelStreamInfer']) {
    test(`of ${method} count while they arrive, and are rejected when all memory for bodies is in use`, async () => {
      const calls = open(method, 40);
      const statuses = statusesOf(calls);
      for (const call of calls) call.write(message.subarray(0, -1));
      await until('the memory is in use', () => statuses.length >= 20);
      assert.deepEqual(new Set(statuses), new Set([status.RESOURCE_EXHAUSTED]));
      const used = await usedBytes();
      assert(used <= budgetBytes && used > budgetBytes / 2, `${used} of ${budgetBytes} bytes are counted`);
    });
  }
});

test('a complete message counts while its client keeps the call open', async () => {
  const calls = open('ModelInfer', 4);
  const statuses = statusesOf(calls);
  for (const call of calls) call.write(message);
  await until('all messages have arrived', async () => (await usedBytes()) === 4 * (message.length - 5));
  assert.deepEqual(statuses, []);
});

describe('compressed messages', () => {
  const packed = framed(gzipSync(message.subarray(5)));
  packed[0] = 1;

  test('count with their decompressed bytes', async () => {
    assert(packed.length < 10_000, 'little arrives');
    const calls = open('ModelInfer', 60, { 'grpc-encoding': 'gzip' });
    const statuses = statusesOf(calls);
    for (const call of calls) call.write(packed);
    await until('the memory is in use', () => statuses.length >= 40);
    assert.deepEqual(new Set(statuses), new Set([status.RESOURCE_EXHAUSTED]));
    const used = await usedBytes();
    assert(used <= budgetBytes && used > budgetBytes / 2, `${used} of ${budgetBytes} bytes are counted`);
  });

  const cut = framed(packed.subarray(5, -20));
  cut[0] = 1;
  const bomb = framed(gzipSync(Buffer.alloc(2 * limitBytes)));
  bomb[0] = 1;
  for (const [what, bytes, encoding, code] of [
    ['that are cut off', cut, 'gzip', status.INVALID_ARGUMENT],
    ['in another encoding than they say', packed, 'deflate', status.INVALID_ARGUMENT],
    ['in an unknown encoding', packed, 'snappy', status.UNIMPLEMENTED],
    ['that decompress beyond the limit', bomb, 'gzip', status.RESOURCE_EXHAUSTED],
  ] as const) {
    test(`${what} are rejected`, async () => {
      const calls = open('ModelInfer', 1, { 'grpc-encoding': encoding });
      const statuses = statusesOf(calls);
      calls[0]?.end(bytes);
      await until('the call is rejected', () => statuses.length === 1);
      assert.deepEqual(statuses, [code]);
    });
  }
});

describe('messages of methods that take names only are small', () => {
  for (const [method, service] of [
    ['Check', 'health'],
    ['Watch', 'health'],
    ['ServerReflectionInfo', 'reflection'],
    ['ModelMetadata', 'inference'],
  ] as const) {
    for (const encoding of ['identity', 'gzip']) {
      test(`${method}, ${encoding}`, async () => {
        const content = Buffer.alloc(80 * 1024);
        const body = framed(encoding === 'gzip' ? gzipSync(content) : content);
        body[0] = encoding === 'gzip' ? 1 : 0;
        const path = definitionOf(method, service).path;
        const call = session.request({
          ':method': 'POST',
          ':path': path,
          'content-type': 'application/grpc',
          te: 'trailers',
          'grpc-encoding': encoding,
        });
        const statuses = statusesOf([call]);
        call.write(body);
        await until('the call is rejected', () => statuses.length === 1);
        assert.deepEqual(statuses, [status.RESOURCE_EXHAUSTED]);
      });
    }
  }
});
