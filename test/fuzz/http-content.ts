/** Paths, headers and bodies for the HTTP fuzzer, realistic enough to pass the first checks. */
import { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { npyFile } from '../../src/codecs/index.ts';
import { sample } from '../models/index.ts';
import type { FuzzRandom } from './fuzz-random.ts';

export type Header = readonly [name: string, value: string];

/** The fuzzed server serves `digits_mlp` as endpoint `digits`. */
const [pixels] = sample('digits_mlp').inputs;
if (pixels === undefined) throw new Error('digits_mlp has no input');
const row = Array.from(new Float32Array(Uint8Array.from(pixels.data.subarray(0, 256)).buffer));

const inferBody = { inputs: [{ name: pixels.name, datatype: 'FP32', shape: [1, 64], data: row }] };

const otherPaths: readonly (readonly [method: string, path: string])[] = [
  ['GET', '/'],
  ['GET', '/metrics'],
  ['GET', '/assets/index.js'],
  ['GET', '/api/docs'],
  ['GET', '/api/v1/openapi.json'],
  ['GET', '/v2'],
  ['GET', '/v2/health/ready'],
  ['GET', '/v2/models'],
  ['GET', '/v2/models/digits'],
  ['GET', '/v2/models/digits/config'],
  ['GET', '/v2/models/digits/stats'],
  ['GET', '/v2/models/digits/ready'],
  ['POST', '/v2/models/digits/infer'],
  ['POST', '/v2/models/digits/infer'],
  ['POST', '/v2/models/digits/versions/1/infer'],
  ['POST', '/v2/models/digits/generate'],
  ['POST', '/v2/models/digits/generate_stream'],
  ['POST', '/v2/repository/index'],
  ['POST', '/v2/repository/models/other/load'],
  ['POST', '/v2/systemsharedmemory/region/x/register'],
  ['POST', '/v1/models/digits:predict'],
  ['GET', '/v1/models/digits'],
  ['POST', '/aws'],
  ['POST', '/aws/endpoints/digits/invocations'],
  ['POST', '/endpoints/digits/invocations'],
  ['GET', '/aws/bucket/key'],
  ['PUT', '/aws/bucket/key?partNumber=1&uploadId=x'],
];

const verbs: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'M-SEARCH', 'QUERY'];

const oddTypes: readonly string[] = [
  'application/json; charset=utf-16',
  'application/json; charset="',
  'application/json;;;',
  'text/csv; header=present',
  'application/octet-stream',
  'multipart/form-data; boundary=x',
  'application/x-www-form-urlencoded',
  'application/x-amz-json-1.1',
  'text/plain',
  'a/b',
  '/',
  '*/*',
  '',
];

/** Request targets that are not plain paths. */
const oddTargets: readonly string[] = [
  '*',
  '//',
  '/%',
  '/%zz',
  '/%00',
  '/%ff%fe',
  '/..%2f..%2fetc/passwd',
  '/../../etc/passwd',
  '/assets/../../../package.json',
  '/assets/..%5c..%5ckeys.json',
  '/v2/models/%2e%2e/infer',
  '/v2/models//infer',
  '/v2/models/digits/versions/99999999999999999999/infer',
  '/api/v1/endpoints/digits%2finvoke',
  '/api/v1/groups/__proto__/versions/constructor',
  'http://127.0.0.1/v2/health/live',
  'http://evil.example/api/v1/keys',
  '/?Action=GetCallerIdentity&Version=2011-06-15',
  '/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=x%2F20260101%2Feu%2Fs3%2Faws4_request&X-Amz-Signature=0',
];

/** A route with its parameters filled in, sometimes with a query. Never deletes or unloads what the fuzzers need. */
export function target(random: FuzzRandom, nativeRoutes: readonly string[]): readonly [method: string, path: string] {
  if (random.chance(0.1)) return [random.pick(verbs), random.pick(oddTargets)];
  const [method, path] = random.chance(0.4) ? random.pick(otherPaths) : nativeRoute(random, nativeRoutes);
  const query = random.chance(0.3) ? `${path.includes('?') ? '&' : '?'}${queryText(random)}` : '';
  return [random.chance(0.9) ? method : random.pick(verbs), `${path}${query}`];
}

function nativeRoute(random: FuzzRandom, routes: readonly string[]): readonly [string, string] {
  const [method = '', path = ''] = random.pick(routes).split(' ');
  const isHarmful = method === 'DELETE' || method === 'PATCH' || /\/(?:unload|load|rollback|baseline)$/.test(path);
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    if (random.chance(0.2)) return encodeURIComponent(random.text().toWellFormed()).slice(0, 3000);
    if (name === 'version') return random.pick(['1', '2', '0', '-1', '1e3', '999999999999']);
    return isHarmful ? random.pick(['other', 'none']) : random.pick(['digits', 'digits', 'other']);
  });
  return [method, filled];
}

const queryNames: readonly string[] = [
  'limit',
  'cursor',
  'from',
  'to',
  'period_s',
  'span_s',
  'since',
  'until',
  'by',
  'before',
  'filter',
  'name',
  'namespace',
  'statistics',
  'dimensions',
  'endpoint',
  'state',
  'kind',
  'head',
  'log',
  'version',
  'timeout_ms',
  'input',
  'notify',
];

function queryText(random: FuzzRandom): string {
  const pairs = Array.from({ length: random.int(1, 3) }, () => {
    const value = random.chance(0.5) ? random.text().toWellFormed() : String(random.number());
    return `${random.pick(queryNames)}=${random.chance(0.9) ? encodeURIComponent(value) : '%e0%80%zz'}`;
  });
  return pairs.join('&').slice(0, 4000);
}

export function oddHeaders(random: FuzzRandom): Header[] {
  const all: readonly (() => Header)[] = [
    () => ['accept', random.pick(['*/*', 'text/html', 'application/json;q=0', 'x', 'text/event-stream'])],
    () => ['accept-encoding', random.pick(['gzip', 'gzip;q=0, *;q=1', 'br', '*'])],
    () => [
      'authorization',
      random.pick(['', 'Bearer', 'Bearer x:y', 'Basic eDp5', 'AWS x:y', 'AWS4-HMAC-SHA256 Credential=x', 'Bearer \x80']),
    ],
    () => ['cookie', random.pick(['penstock_session=x', '=', ';;;', `a=${'b'.repeat(4000)}`])],
    () => ['origin', random.pick(['null', 'http://evil.example', 'http://127.0.0.1', 'http://localhost:3000'])],
    () => ['expect', random.pick(['100-continue', 'something'])],
    () => ['range', random.pick(['bytes=0-', 'bytes=5-1', 'bytes=-99999999999', 'lines=1'])],
    () => ['if-none-match', random.pick(['*', 'x', '"'])],
    () => ['inference-header-content-length', random.pick(['0', '-1', '1e9', '10', 'x', '99999999999999999999'])],
    () => ['x-amz-target', random.pick(['SageMaker.ListModels', 'x', 'SageMaker.__proto__', '.'])],
    () => ['x-amzn-sagemaker-inference-id', 'x'.repeat(random.pick([1, 64, 65, 2000]))],
    () => ['traceparent', random.pick(['00-0-0-0', `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, 'ff-x'])],
    () => ['x-forwarded-for', '1.2.3.4'],
    () => ['upgrade', random.pick(['websocket', 'h2c'])],
    () => ['x-filler', 'y'.repeat(random.pick([100, 8000, 20_000]))],
  ];
  return Array.from({ length: random.pick([0, 0, 1, 2]) }, () => random.pick(all)());
}

/** A body with a matching content type. */
export function body(random: FuzzRandom): { readonly bytes: Buffer; readonly headers: Header[] } {
  const { type, bytes } = plainBody(random);
  const headers: Header[] = random.chance(0.95) ? [['content-type', random.chance(0.85) ? type : random.pick(oddTypes)]] : [];
  const coding = random.chance(0.15) ? random.pick(['gzip', 'deflate', 'zstd', 'br', 'identity', 'gzip, gzip', '', 'x']) : null;
  if (coding === null) return { bytes, headers };
  const packed =
    coding === 'gzip' ? gzipSync(bytes) : coding === 'deflate' ? deflateSync(bytes) : coding === 'zstd' ? zstdCompressSync(bytes) : bytes;
  return { bytes: random.chance(0.7) ? packed : random.mutate(packed), headers: [...headers, ['content-encoding', coding]] };
}

function plainBody(random: FuzzRandom): { readonly type: string; readonly bytes: Buffer } {
  const json = (value: unknown) => ({ type: 'application/json', bytes: Buffer.from(JSON.stringify(value) ?? '') });
  switch (random.int(0, 11)) {
    case 0:
      return json(random.json());
    case 1:
      return json(inferBody);
    case 2:
      return json(mutatedJson(random, inferBody));
    case 3:
      return json({ instances: [row] });
    case 4:
      return json(mutatedJson(random, random.pick(controlBodies)));
    case 5:
      return json({
        inputs: [
          { name: 'pixels', datatype: random.pick(['FP32', 'BYTES', 'INT64', 'x']), shape: [random.number(), 64], data: [random.number()] },
        ],
      });
    case 6:
      return { type: 'application/json', bytes: Buffer.from(random.pick(brokenJson)) };
    case 7:
      return { type: 'text/csv', bytes: random.mutate(Buffer.from(`${row.join(',')}\n${row.join(',')}\n`)) };
    case 8:
      return {
        type: 'application/x-npy',
        bytes: random.mutate(npyFile({ datatype: 'FP32', shape: [1, 64], data: (pixels as { data: Uint8Array }).data.subarray(0, 256) })),
      };
    case 9:
      return { type: 'application/octet-stream', bytes: random.bytes(random.pick([0, 1, 256, 255, 5000])) };
    case 10:
      return {
        type: 'application/x-ndjson',
        bytes: Buffer.from(`${JSON.stringify({ inference_id: random.text(), label: random.json(1) })}\n{`),
      };
    default:
      return { type: 'application/json', bytes: random.mutate(Buffer.from(JSON.stringify(inferBody))) };
  }
}

const depth = 20_000;
const brokenJson: readonly string[] = [
  '',
  '{',
  '[',
  'nul',
  '"',
  '{"a":1,"a":2}',
  '\ufeff{}',
  '{"inputs":[{"name":"pixels","datatype":"FP32","shape":[1,64],"data":[1e999]}]}',
  '{"__proto__":{"x":1}}',
  '{"constructor":{"prototype":{}}}',
  '['.repeat(depth),
  `${'['.repeat(depth)}${']'.repeat(depth)}`,
  `{"instances":${'['.repeat(depth)}${']'.repeat(depth)}}`,
  `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`,
  `{"inputs":[{"name":"pixels","datatype":"FP32","shape":[${'1,'.repeat(5000)}64],"data":[]}]}`,
  `[${'1'.repeat(50_000)}]`,
];

const controlBodies: readonly unknown[] = [
  { name: 'other', variants: [{ model: 'digits/1', instance_count: 1 }], objective: 'p95<=50ms' },
  { name: 'other', variants: [{ model: 'digits/1', serverless: { memory_mib: 512, max_concurrency: 2 } }] },
  { name: 'other', description: 'x' },
  { approval: 'Approved', reason: 'x' },
  { role: 'viewer', description: 'x' },
  { endpoint: 'digits', model: 'digits/1', objective: 'p95<=50ms', rate: 10 },
  { input: 's3://bucket/in', output: 's3://bucket/out', model: 'digits/1' },
  { ready: true },
  { id: 'x', secret: 'y' },
  { load: { kind: 'poisson', rate: 10 }, seeds: 1 },
];

/** Replaces, removes or adds one member or element somewhere inside. */
export function mutatedJson(random: FuzzRandom, value: unknown): unknown {
  if (Array.isArray(value)) {
    if (value.length === 0 || random.chance(0.3)) return random.chance(0.5) ? random.json(2) : [...value, random.json(2)];
    const at = random.int(0, value.length - 1);
    return value.map((each: unknown, i) => (i === at ? mutatedJson(random, each) : each));
  }
  if (typeof value === 'object' && value !== null) {
    const names = Object.keys(value);
    if (names.length === 0 || random.chance(0.15)) return random.json(2);
    const name = random.pick(names);
    const fields = value as Record<string, unknown>;
    if (random.chance(0.15)) return Object.fromEntries(Object.entries(fields).filter(([each]) => each !== name));
    if (random.chance(0.15)) return { ...fields, [random.text()]: random.json(2) };
    return { ...fields, [name]: mutatedJson(random, fields[name]) };
  }
  return random.json(2);
}
