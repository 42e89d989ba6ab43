/**
 * Bodies for every decoder at 1, 10 and 100 times the limit, plain and compressed. Four clients send them while a probe checks the
 * server's health. Oversized bodies must be rejected quickly, allowed ones answered, and other requests not delayed.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { deflateSync, gzipSync } from 'node:zlib';
import { npyFile } from '../../src/codecs/index.ts';
import { type TarFile, tarOf } from '../../src/tar/index.ts';
import { sign } from '../aws/signed-request.ts';
import { zipOf } from '../models/zip.ts';
import { GrpcClient, grpcAddress } from './grpc-client.ts';
import { Server } from './server.ts';

/** A server with the endpoint and the group that the bodies go to. */
export async function startTarget(): Promise<Server> {
  const server = await Server.start();
  await server.deploy('digits', 'digits_mlp');
  await server.callWell('POST', '/groups', { name: 'hostile' });
  return server;
}

export interface HostileBody {
  readonly what: string;
  /** The acceptable HTTP statuses. */
  readonly statuses: readonly number[];
  /** The status, or with it the time from the last byte of the body to the response. */
  readonly send: (server: Server) => Promise<number | Sent>;
}

interface Sent {
  readonly status: number;
  readonly afterBodyMs: number;
}

/** 424: AWS's runtime reports a body that the model's container rejects. */
const rejections = [400, 413, 415, 424];
const mebibyte = 2 ** 20;
const pixels = Array.from({ length: 64 }, (_, i) => i % 10);
const line = `${pixels.join(',')}\n`;
const row = `[${pixels.join(',')}]`;

/** `{"instances":[…]}` */
const instances = (rows: number): Buffer => Buffer.from(`{"instances":[${Array.from({ length: rows }, () => row).join(',')}]}`);
const tensor = (rows: number): Buffer =>
  Buffer.from(
    `{"inputs":[{"name":"pixels","datatype":"FP32","shape":[${rows},64],"data":[${Array.from({ length: rows }, () => pixels.join(',')).join(',')}]}]}`,
  );
const filled = (bytes: number, text: string, head = ''): Buffer => Buffer.concat([Buffer.from(head), Buffer.alloc(bytes, text)]);
const npy = (rows: number): Buffer => npyFile({ datatype: 'FP32', shape: [rows, 64], data: Buffer.alloc(rows * 256) });

function post(server: Server, path: string, type: string, body: Buffer, encoding?: string, method = 'POST'): Promise<Sent> {
  return sendBody(
    server,
    { path, method, headers: { 'content-type': type, ...(encoding === undefined ? {} : { 'content-encoding': encoding }) } },
    body,
  );
}

interface Head {
  readonly path: string;
  readonly method?: string;
  readonly headers: Readonly<Record<string, string>>;
}

async function sendBody(server: Server, { path, method = 'POST', headers }: Head, body: Buffer): Promise<Sent> {
  const sent = request(`${server.url}${path}`, { method, headers: { ...headers, 'content-length': body.length } });
  let sentAtMs = Number.POSITIVE_INFINITY;
  sent.end(body, () => {
    sentAtMs = performance.now();
  });
  // The server may answer, and close the connection, before it has read the whole body.
  const isLate = (error: NodeJS.ErrnoException): boolean => error.code === 'EPIPE' || error.code === 'ECONNRESET';
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    let failure: Error | null = null;
    sent.once('response', resolve);
    sent.on('error', (error) => {
      failure = error;
      if (!isLate(error)) reject(error);
    });
    sent.once('close', () => reject(failure ?? new Error('the connection was closed without a response')));
  });
  for await (const piece of response) void piece;
  return { status: response.statusCode ?? 0, afterBodyMs: Math.max(0, performance.now() - sentAtMs) };
}

const packings = { gzip: gzipSync, deflate: deflateSync } as const;

/** A body, plain and compressed. */
function posted(what: string, path: string, type: string, statuses: readonly number[], make: () => Buffer): HostileBody[] {
  const body = lazy(make);
  return [
    { what, statuses, send: (server) => post(server, path, type, body()) },
    ...Object.entries(packings).map(([encoding, pack]): HostileBody => {
      const packed = lazy(() => pack(body()));
      return { what: `${what}, ${encoding}`, statuses: [...statuses, 413], send: (server) => post(server, path, type, packed(), encoding) };
    }),
  ];
}

/** Creates a value once. `makeBodies` creates all before anything is measured. */
function lazy<T>(make: () => T): () => T {
  let made: T | undefined;
  makers.push(() => void (made ??= make()));
  return () => (made ??= make());
}
const makers: (() => void)[] = [];

const invoke = '/api/v1/endpoints/digits/invoke';
const infer = '/v2/models/digits/infer';
const predict = '/v1/models/digits:predict';
const baseline = '/api/v1/endpoints/digits/baseline';
const labels = '/api/v1/endpoints/digits/labels';
const groups = '/api/v1/groups';

/** `rows`: the allowed number of rows of calls that are split into batches. */
export function hostileBodies(rows: number): readonly HostileBody[] {
  const json = 'application/json';
  const label = (count: number): Buffer =>
    Buffer.from(Array.from({ length: count }, (_, i) => `{"inference_id":"x${i}","label":1}\n`).join(''));
  return [
    ...[1, 10, 100].flatMap((times) =>
      posted(`OIP JSON ${times}x`, infer, json, times === 1 ? [200] : rejections, () => tensor(32 * times)),
    ),
    ...posted('OIP JSON of brackets', infer, json, rejections, () => filled(60 * mebibyte, '[],', '{"inputs":[')),
    ...posted('OIP JSON that is deep', infer, json, rejections, () => filled(mebibyte, '[')),
    ...posted('native JSON 1x', invoke, json, [200], () => instances(rows)),
    ...posted('native JSON of too many rows', invoke, json, rejections, () => filled(60 * mebibyte, '[1],', '{"instances":[')),
    ...posted('native JSON of numbers', invoke, json, rejections, () => filled(60 * mebibyte, '1,', '{"instances":[[')),
    ...posted('native CSV 1x', invoke, 'text/csv', [200], () => Buffer.from(line.repeat(rows))),
    ...posted('native CSV of too many rows', invoke, 'text/csv', rejections, () => filled(60 * mebibyte, line)),
    ...posted('native CSV of millions of narrow lines', invoke, 'text/csv', rejections, () => filled(64_000_000, '1\n')),
    ...posted('native CSV of one line', invoke, 'text/csv', rejections, () => filled(60 * mebibyte, '1,')),
    ...posted('native CSV of empty lines', invoke, 'text/csv', rejections, () => filled(60 * mebibyte, '\n')),
    ...posted('native CSV of quotes', invoke, 'text/csv', rejections, () => filled(60 * mebibyte, '"')),
    ...posted('npy 1x', invoke, 'application/x-npy', [200], () => npy(rows)),
    ...posted('npy of too many rows', invoke, 'application/x-npy', rejections, () => npy(200_000)),
    ...posted('KServe v1 JSON 1x', predict, json, [200], () => instances(1000)),
    ...posted('KServe v1 JSON of brackets', predict, json, rejections, () => filled(60 * mebibyte, '{},', '{"instances":[')),
    ...posted('a baseline', baseline, 'text/csv', [200], () => Buffer.from(line.repeat(10_000))),
    ...posted('a baseline of brackets', baseline, json, rejections, () => filled(60 * mebibyte, '[],', '{"instances":[')),
    ...posted('labels 1x', labels, 'application/jsonlines', [200], () => label(10_000)),
    ...posted('labels 10x', labels, 'application/jsonlines', rejections, () => label(100_000)),
    ...posted('labels of empty lines', labels, 'application/jsonlines', rejections, () => filled(15 * mebibyte, '\n')),
    {
      what: 'a query of ampersands',
      statuses: rejections,
      send: (server) => post(server, `/api/v1/groups?${'a&'.repeat(7000)}`, json, Buffer.from('{}')),
    },
    {
      what: 'a control document of brackets',
      statuses: rejections,
      send: (server) => post(server, groups, json, filled(3 * mebibyte, '[],', '[')),
    },
    {
      what: 'a control document of 60 MiB',
      statuses: rejections,
      send: (server) => post(server, groups, json, filled(60 * mebibyte, '[],', '[')),
    },
    ...uploads(),
    ...documents(),
    ...signedBodies(),
    ...messages(),
    { what: 'a tar with too many entries', statuses: rejections, send: sendTar },
  ];
}

/** Files that the server reads itself: evaluation sets, and models of which it shows what they hold. */
function uploads(): HostileBody[] {
  const upload = (
    what: string,
    method: string,
    path: string,
    type: string,
    statuses: readonly number[],
    make: () => Buffer,
  ): HostileBody => {
    const body = lazy(make);
    return { what, statuses, send: (server) => post(server, path, type, body(), undefined, method) };
  };
  const set = (what: string, type: string, make: () => Buffer): HostileBody =>
    upload(`an evaluation set of ${what}`, 'PUT', '/api/v1/evaluation-sets/hostile?label=y', type, rejections, make);
  const preview = (what: string, name: string, make: () => Buffer): HostileBody =>
    upload(`a preview of ${what}`, 'POST', `/api/v1/models/preview?name=${name}`, 'application/octet-stream', rejections, make);
  const pickleHead = Buffer.from([0x80, 0x04]);
  return [
    set('narrow lines', 'text/csv', () => filled(60 * mebibyte, '1,2\n', 'x,y\n')),
    set('one line', 'text/csv', () => filled(60 * mebibyte, '1,', 'x,y\n')),
    set('quotes', 'text/csv', () => filled(60 * mebibyte, '"', 'x,y\n')),
    set('empty lines', 'text/csv', () => filled(60 * mebibyte, '\n', 'x,y\n')),
    set('columns', 'text/csv', () => filled(60 * mebibyte, 'a,')),
    set('brackets', 'application/jsonlines', () => filled(60 * mebibyte, '[],', '{"y":1,"x":[')),
    set('deep JSON', 'application/jsonlines', () => filled(60 * mebibyte, '[')),
    set('small objects', 'application/jsonlines', () => filled(60 * mebibyte, '{"y":1}\n')),
    preview('a pickle of marks', 'model.pkl', () => Buffer.concat([pickleHead, Buffer.alloc(60 * mebibyte, '(')])),
    preview('a pickle of lists', 'model.pkl', () => Buffer.concat([pickleHead, Buffer.alloc(60 * mebibyte, ']')])),
    preview('a pickle of copies', 'model.pkl', () => Buffer.concat([pickleHead, Buffer.from(']'), Buffer.alloc(60 * mebibyte, '2')])),
    preview('deep JSON of XGBoost', 'model.json', () => filled(60 * mebibyte, '{"learner":')),
    preview('brackets of XGBoost', 'model.json', () => filled(60 * mebibyte, '[],', '{"learner":[')),
    preview('a text of LightGBM without end', 'model.txt', () => filled(60 * mebibyte, 'tree=1 ', 'tree\nversion=v4\n')),
    preview('ONNX of empty graphs', 'model.onnx', () => Buffer.alloc(60 * mebibyte, Buffer.from([0x3a, 0x00]))),
    preview('ONNX of empty nodes', 'model.onnx', () => onnxOf(Buffer.alloc(60 * mebibyte, Buffer.from([0x0a, 0x00])))),
    preview('ONNX of unknown fields', 'model.onnx', () => onnxOf(Buffer.alloc(60 * mebibyte, Buffer.from([0xf8, 0x07, 0x01])))),
    preview('a zip with too many entries', 'model.zip', () =>
      zipOf(Array.from({ length: 20_000 }, (_, i) => ({ path: `f${i}`, bytes: Buffer.alloc(0) }))),
    ),
    preview('a zip that decompresses to more than it says', 'model.zip', () =>
      zipOf([{ path: 'model.onnx', bytes: Buffer.alloc(500 * mebibyte), saidBytes: 10 }]),
    ),
    preview('nothing in a gzip', 'model.pkl', () => gzipSync(Buffer.alloc(200 * mebibyte))),
  ];
}

/** A file whose graph has this content. */
function onnxOf(content: Buffer): Buffer {
  const length = [0, 7, 14, 21].map((shift) => ((content.length >>> shift) & 127) | (shift < 21 ? 128 : 0));
  return Buffer.concat([Buffer.from([0x08, 0x09, 0x3a, ...length]), content]);
}

/** Control documents with long members of their own. */
function documents(): HostileBody[] {
  const send = (what: string, path: string, make: () => unknown): HostileBody => {
    const body = lazy(() => Buffer.from(JSON.stringify(make())));
    return { what, statuses: [...rejections, 404, 409], send: (server) => post(server, path, 'application/json', body()) };
  };
  const many = (count: number, text: string): string[] => Array.from({ length: count }, (_, i) => `${text}${i}`);
  return [
    send('an environment of long requirements', '/api/v1/environments', () => ({ name: 'x', requirements: 'a'.repeat(250_000) })),
    send('an environment of options', '/api/v1/environments', () => ({ name: 'x', requirements: '--r a\n'.repeat(40_000) })),
    send('an environment of brackets', '/api/v1/environments', () => ({ name: 'x', requirements: `a${'['.repeat(200_000)}` })),
    send('an environment of packages', '/api/v1/environments', () => ({ name: 'x', packages: many(100_000, 'p') })),
    send('an evaluation of many models', '/api/v1/evaluations', () => ({ set: 'x', models: many(100_000, 'm') })),
    send('a plan of many models', '/api/v1/plan/selection', () => ({ set: 'x', models: many(100_000, 'm') })),
    send('a registration with many tags', '/api/v1/groups', () => ({
      name: 'x',
      tags: Object.fromEntries(many(90_000, 't').map((tag) => [tag, ''])),
    })),
  ];
}

/** Creates all bodies in advance, so that creating them does not affect measurements. */
export function makeBodies(): void {
  for (const make of makers) make();
}

function signedBodies(): HostileBody[] {
  const send =
    (service: string, path: string, body: () => Buffer, headers: Readonly<Record<string, string>>) =>
    (server: Server): Promise<Sent> => {
      const [id = '', secret = ''] = server.adminKey.split(':');
      const signed = sign(server.url, { key: { id, secret }, service, path, body: body(), headers });
      return sendBody(server, { path, headers: signed.headers }, body());
    };
  const lines = (count: number): Buffer => Buffer.from(`{"instances":[${row}]}\n`.repeat(count));
  const invocation = (what: string, type: string, statuses: readonly number[], make: () => Buffer): HostileBody => {
    const body = lazy(make);
    return { what, statuses, send: send('sagemaker', '/endpoints/digits/invocations', body, { 'content-type': type }) };
  };
  const call = (what: string, service: string, headers: Readonly<Record<string, string>>, make: () => Buffer, path = '/'): HostileBody => {
    const body = lazy(make);
    return { what, statuses: rejections, send: send(service, path, body, headers) };
  };
  const models = { 'x-amz-target': 'SageMaker.ListModels', 'content-type': 'application/x-amz-json-1.1' };
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  return [
    invocation('JSON lines 1x', 'application/jsonlines', [200], () => lines(4096)),
    invocation('JSON lines 10x', 'application/jsonlines', rejections, () => lines(30_000)),
    invocation('AWS JSON of brackets', 'application/json', rejections, () => filled(6_000_000, '[],', '[')),
    invocation('AWS CSV of narrow lines', 'text/csv', rejections, () => filled(6_000_000, '1\n')),
    invocation('AWS bytes that may be JSON', 'application/octet-stream', rejections, () => filled(6_000_000, '[],', '{"inputs":[')),
    call('an AWS document of brackets', 'sagemaker', models, () => filled(3 * mebibyte, '[],', '{"x":[')),
    call('an AWS document that is deep', 'sagemaker', models, () => filled(3 * mebibyte, '[')),
    call('a form of ampersands', 'monitoring', form, () => filled(3 * mebibyte, '&')),
    call('a form of dots', 'monitoring', form, () => filled(3 * mebibyte, '.')),
    call('XML of elements', 's3', {}, () => filled(3 * mebibyte, '<a/>', '<Delete>'), '/hostile?delete'),
    call('XML that is deep', 's3', {}, () => filled(3 * mebibyte, '<a>'), '/hostile?delete'),
  ];
}

/** gRPC messages. Codes: 0 is OK, 3 INVALID_ARGUMENT, 8 RESOURCE_EXHAUSTED. */
function messages(): HostileBody[] {
  const asStatus = (code: number): number => (code === 3 || code === 8 ? 400 : code === 0 ? 200 : 500);
  const call = (what: string, statuses: readonly number[], make: () => object): HostileBody => {
    const message = lazy(make);
    const send = async (server: Server): Promise<number> => {
      const client = new GrpcClient(await grpcAddress(server));
      try {
        return asStatus((await client.call('ModelInfer', message())).refused?.code ?? 0);
      } finally {
        client.close();
      }
    };
    return { what, statuses, send };
  };
  const typed = (rows: number): object => {
    const contents = { fp32_contents: Array.from({ length: 64 * rows }, () => 1) };
    return { model_name: 'digits', inputs: [{ name: 'pixels', datatype: 'FP32', shape: [rows, 64], contents }] };
  };
  return [
    call('a typed message 1x', [200], () => typed(32)),
    call('a typed message 10x', [400], () => typed(320)),
    call('a typed message 100x', [400], () => typed(3200)),
    call('a message of empty tensors', [400], () => ({
      model_name: 'digits',
      raw_input_contents: Array.from({ length: 100_000 }, () => ''),
    })),
    call('a message of empty inputs', [400], () => ({ model_name: 'digits', inputs: Array.from({ length: 100_000 }, () => ({})) })),
  ];
}

async function sendTar(server: Server): Promise<Sent> {
  const files = async function* (): AsyncGenerator<TarFile> {
    for (let i = 0; i < 20_000; i++) yield { path: `f${i}`, bytes: 0, isExecutable: false, content: nothing() };
  };
  const pieces: Uint8Array[] = [];
  for await (const piece of tarOf(files())) pieces.push(piece);
  return post(server, '/api/v1/groups/hostile/versions?name=model.tar.gz', 'application/octet-stream', gzipSync(Buffer.concat(pieces)));
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

export interface Outcome {
  readonly what: string;
  readonly status: number;
  /** From the last byte of the body, if that is known. */
  readonly ms: number;
}

/** Sends all bodies from `clients` concurrent clients. Throws for an unexpected status. */
export async function sendAll(server: Server, bodies: readonly HostileBody[], clients: number): Promise<readonly Outcome[]> {
  const left = [...bodies];
  const outcomes: Outcome[] = [];
  const client = async (): Promise<void> => {
    for (let body = left.shift(); body !== undefined; body = left.shift()) {
      const { what, statuses } = body;
      const startMs = performance.now();
      const sent = await body.send(server);
      const { status, afterBodyMs } = typeof sent === 'number' ? { status: sent, afterBodyMs: performance.now() - startMs } : sent;
      outcomes.push({ what, status, ms: afterBodyMs });
      assert(statuses.includes(status), `${what}: expected ${statuses.join(' or ')}, got ${status}`);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return outcomes;
}

export function rssMiB(server: Server): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]) / 1024;
}
