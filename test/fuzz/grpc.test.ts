/** Sends malformed protobuf messages, gRPC framing and HTTP/2 to the gRPC port of a server. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, constants } from 'node:http2';
import { after, before, describe, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { definitionOf, framed, GrpcClient, grpcAddress, rawConnection } from '../end-to-end/grpc-client.ts';
import { sample } from '../models/index.ts';
import { fuzz, smallerBytes } from './campaign.ts';
import type { FuzzRandom } from './fuzz-random.ts';
import { mutateMessage } from './protobuf-mutation.ts';
import { exchange } from './raw-http.ts';
import { WatchedServer } from './watched-server.ts';

const [pixels] = sample('digits_mlp').inputs;
assert(pixels !== undefined);
const row = pixels.data.subarray(0, 256);
const floats = Array.from(new Float32Array(Uint8Array.from(row).buffer));

const tensor = { name: pixels.name, datatype: 'FP32', shape: [1, 64] };
const parameters = { a: { string_param: 'b' }, c: { int64_param: 1 }, d: { bool_param: true } };

/** Well-formed requests, which the fuzzer mutates. */
const seeds: readonly (readonly [method: string, request: object])[] = [
  ['ModelInfer', { model_name: 'digits', inputs: [tensor], raw_input_contents: [row] }],
  [
    'ModelInfer',
    { model_name: 'digits', model_version: '1', id: 'x', inputs: [{ ...tensor, contents: { fp32_contents: floats } }], parameters },
  ],
  ['ModelInfer', { model_name: 'digits', inputs: [tensor], outputs: [{ name: 'label', parameters }], raw_input_contents: [row] }],
  ['ModelStreamInfer', { model_name: 'digits', inputs: [tensor], raw_input_contents: [row] }],
  ['ModelStreamInfer', { model_name: 'digits', inputs: [{ ...tensor, contents: { fp32_contents: floats } }] }],
  ['ModelMetadata', { name: 'digits', version: '1' }],
  ['ModelReady', { name: 'digits' }],
  ['ModelConfig', { name: 'digits' }],
  ['ModelStatistics', { name: 'digits' }],
  ['ServerMetadata', {}],
  ['RepositoryIndex', { ready: true }],
  ['RepositoryModelLoad', { model_name: 'other', parameters: { x: { string_param: 'y' } } }],
];

interface GrpcCase {
  readonly method: string;
  readonly message: Buffer;
  readonly framing: 'right' | 'long' | 'short' | 'compressed' | 'twice' | 'no-prefix';
  readonly isReset: boolean;
  readonly headers: Readonly<Record<string, string>>;
}

function grpcCase(random: FuzzRandom): GrpcCase {
  const [method, request] = random.pick(seeds);
  const message = definitionOf(method).requestSerialize(request);
  return {
    method,
    message: mutateMessage(random, message),
    framing: random.pick(['right', 'right', 'right', 'right', 'right', 'long', 'short', 'compressed', 'twice', 'no-prefix'] as const),
    isReset: random.chance(0.05),
    headers: random.chance(0.2) ? random.pick(oddHeaders) : {},
  };
}

const oddHeaders: readonly Readonly<Record<string, string>>[] = [
  { 'grpc-timeout': '1n' },
  { 'grpc-timeout': '99999999999H' },
  { 'grpc-timeout': 'x' },
  { 'grpc-encoding': 'gzip' },
  { 'grpc-encoding': 'nothing' },
  { 'content-type': 'application/json' },
  { 'content-type': 'application/grpc-web' },
  { authorization: 'Bearer x:y' },
  { 'x-request-id': 'a'.repeat(500) },
  { 'data-bin': '%%%' },
];

/** Statuses of grpc-js itself for malformed framing, as gRPC's specification defines. */
const framingStatuses: readonly number[] = [status.INTERNAL, status.UNKNOWN, status.CANCELLED];

let watched: WatchedServer;
let address: string;
let session: ClientHttp2Session;

before(async () => {
  watched = await WatchedServer.start({ flags: ['--body-limit', '1MiB'] });
  await watched.server.deploy('digits', 'digits_mlp');
  address = await grpcAddress(watched.server);
  session = rawConnection(address);
  await once(session, 'connect');
});

describe('the gRPC port under fuzzing', () => {
  test('each call gets a status that distinguishes client and server errors, and the connection survives', async () => {
    await fuzz<GrpcCase>({
      name: 'grpc',
      cases: 1000,
      concurrency: 16,
      generate: grpcCase,
      check,
      smaller: (input) => smallerBytes(input.message).map((message) => ({ ...input, message })),
      show: ({ message, ...input }) => `${JSON.stringify(input)}\n${message.toString('hex')}`,
    });
  });

  test('bytes that are not HTTP/2 close only their own connection', async () => {
    const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    await fuzz<Buffer>({
      name: 'http2',
      cases: 200,
      concurrency: 16,
      generate: (random) => {
        const frames = Array.from({ length: random.int(0, 20) }, () => frame(random));
        const bytes = Buffer.concat([random.chance(0.9) ? preface : random.bytes(24), settings, ...frames]);
        return random.chance(0.3) ? random.mutate(bytes) : bytes;
      },
      check: async (bytes) => {
        const { isClosed } = await exchange(`http://${address}`, { pieces: [bytes], pauseMs: 0, ending: 'half-close' });
        assert(isClosed, 'the server did not close a connection that its client has closed');
        watched.assertWell();
      },
      smaller: smallerBytes,
      show: (bytes) => bytes.toString('hex'),
    });
  });

  after(async () => {
    session.destroy();
    const client = new GrpcClient(address);
    const { refused } = await client.call('ModelInfer', { model_name: 'digits', inputs: [tensor], raw_input_contents: [row] });
    client.close();
    assert.equal(refused, null);
    await watched.end();
  });
});

/** An HTTP/2 frame with a type, flags, a stream and a possibly wrong length. */
function frame(random: FuzzRandom): Buffer {
  const content = random.bytes(random.pick([0, 4, 8, 30, 200]));
  const head = Buffer.alloc(9);
  head.writeUIntBE(random.chance(0.9) ? content.length : random.int(0, 2 ** 24 - 1), 0, 3);
  head[3] = random.int(0, 12);
  head[4] = random.int(0, 255);
  head.writeUInt32BE(random.pick([0, 1, 2, 3, 5, 2 ** 31 - 1, 2 ** 32 - 1]), 5);
  return Buffer.concat([head, content]);
}

function framedAs(message: Buffer, framing: GrpcCase['framing']): Buffer {
  const bytes = framed(message);
  if (framing === 'long') bytes.writeUInt32BE(message.length + 1, 1);
  if (framing === 'short' && message.length > 0) bytes.writeUInt32BE(message.length - 1, 1);
  if (framing === 'compressed') bytes[0] = 1;
  if (framing === 'twice') return Buffer.concat([bytes, bytes]);
  return framing === 'no-prefix' ? message : bytes;
}

interface Ended {
  readonly httpStatus: number;
  /** Undefined if the stream ended without a status. */
  readonly grpcStatus: number | undefined;
  readonly message: string;
}

async function check(input: GrpcCase): Promise<void> {
  const ended = await call(input);
  watched.assertWell();
  if (input.isReset || ended === null) return;
  const { httpStatus, grpcStatus, message } = ended;
  if (httpStatus === 415) return; // The response of gRPC servers to another content type.
  assert.equal(httpStatus, 200, message);
  assert(grpcStatus !== undefined, 'the call ended without a status');
  assert(status[grpcStatus] !== undefined, `status ${grpcStatus} is not a gRPC status`);
  assert.doesNotMatch(message, /\n\s+at |node_modules|\/src\//, 'the status reveals internals');
  const isFramed = input.framing === 'right' && input.headers['grpc-encoding'] === undefined && input.headers['grpc-timeout'] === undefined;
  if (isFramed || !framingStatuses.includes(grpcStatus)) {
    assert(grpcStatus !== status.INTERNAL && grpcStatus !== status.UNKNOWN, `${status[grpcStatus]}: ${message}`);
  }
}

/** Null if the call was reset. Rejects if it exceeds the time limit. */
async function call({ method, message, framing, isReset, headers }: GrpcCase): Promise<Ended | null> {
  if (session.destroyed || session.closed) {
    session = rawConnection(address);
    await once(session, 'connect');
  }
  const fixed = { ':method': 'POST', ':path': definitionOf(method).path, 'content-type': 'application/grpc', te: 'trailers' };
  const stream = session.request({ ...fixed, ...headers });
  let httpStatus = 0;
  let grpcStatus: number | undefined;
  let text = '';
  const read = (fields: Record<string, string | string[] | number | undefined>): void => {
    if (fields[':status'] !== undefined) httpStatus = Number(fields[':status']);
    if (fields['grpc-status'] !== undefined) grpcStatus = Number(fields['grpc-status']);
    text += decodeURIComponent([fields['grpc-message'] ?? ''].flat().join());
  };
  stream.on('response', read);
  stream.on('trailers', read);
  stream.on('error', () => undefined);
  stream.resume();
  const closed = once(stream, 'close');
  stream.end(framedAs(message, framing));
  if (isReset) stream.close(constants.NGHTTP2_CANCEL);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the call has not ended after 60 s')), 60_000);
  });
  await Promise.race([closed, late]);
  clearTimeout(timer);
  return httpStatus === 0 ? null : { httpStatus, grpcStatus, message: text };
}
