/** Generates HTTP/1.1 requests as bytes: malicious content in valid framing, ambiguous framing, and mutations of both. */
import { json, sign } from '../aws/signed-request.ts';
import type { FuzzRandom } from './fuzz-random.ts';
import { body, type Header, mutatedJson, oddHeaders, target } from './http-content.ts';
import type { Ending } from './raw-http.ts';

export interface FuzzRequest {
  /** Sent as `x-request-id`, which our own protocols return. */
  readonly id: string;
  readonly isHead: boolean;
  readonly bytes: Buffer;
}

export interface HttpCase {
  /** `valid`: each request conforms to RFC 9112. `ambiguous`: the framing of the first does not. `mutated`: anything. */
  readonly kind: 'valid' | 'ambiguous' | 'mutated';
  readonly requests: readonly FuzzRequest[];
  /** Everything is sent in pieces of this size. */
  readonly pieceBytes: number;
  readonly pauseMs: number;
  readonly ending: Ending;
}

/** The server that requests are generated for. */
export interface HttpTarget {
  readonly url: string;
  /** For its AWS APIs. */
  readonly key: { readonly id: string; readonly secret: string };
  /** `POST /api/v1/groups/{group}/versions` */
  readonly nativeRoutes: readonly string[];
}

/** The id of requests embedded in the body of another one: the server must never answer them. */
export const smuggledId = 'smuggled';

export function httpCase(random: FuzzRandom, to: HttpTarget): HttpCase {
  const kind = random.pick(['valid', 'valid', 'valid', 'ambiguous', 'mutated', 'mutated'] as const);
  const isSlow = random.chance(0.05);
  const common = {
    kind,
    pieceBytes: isSlow ? random.int(20, 400) : random.pick([64 * 1024, 64 * 1024, 1000]),
    pauseMs: isSlow ? 1 : 0,
    ending: random.pick(['wait', 'wait', 'wait', 'half-close', 'reset'] as const),
  };
  if (kind === 'ambiguous') return { ...common, requests: [ambiguousRequest(random, to), probe(to)] };
  const requests = Array.from({ length: random.pick([1, 1, 2, 5]) }, (_, i) => validRequest(random, to, `r${i}`));
  if (kind === 'valid') return { ...common, requests: [...requests, probe(to)] };
  // With a mutated id, the response to a HEAD is indistinguishable from one with a missing body.
  const mutated = requests.filter(({ isHead }) => !isHead).map((each) => ({ ...each, bytes: random.mutate(each.bytes) }));
  return { ...common, requests: [...mutated, probe(to)] };
}

function probe({ url }: HttpTarget): FuzzRequest {
  return requestOf('probe', 'GET', '/v2/health/live', [['host', new URL(url).host]]);
}

function requestOf(id: string, method: string, path: string, headers: readonly Header[], content: Buffer = Buffer.alloc(0)): FuzzRequest {
  const lines = [...headers, ['x-request-id', id] as const].map(([name, value]) => `${name}: ${value}\r\n`);
  const head = Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1');
  return { id, isHead: method === 'HEAD', bytes: Buffer.concat([head, content]) };
}

function validRequest(random: FuzzRandom, to: HttpTarget, id: string): FuzzRequest {
  if (random.chance(0.15)) return signedRequest(random, to, id);
  const [method, path] = target(random, to.nativeRoutes);
  const host = random.chance(0.95)
    ? new URL(to.url).host
    : random.pick(['', 'evil.example', 'localhost:99999', '[::1]', 'bucket.localhost']);
  const headers: Header[] = [['host', host], ...oddHeaders(random)];
  if (random.chance(method === 'GET' || method === 'HEAD' ? 0.9 : 0.1)) return requestOf(id, method, path, headers);
  const content = body(random);
  headers.push(...content.headers);
  if (random.chance(0.7)) {
    return requestOf(id, method, path, [...headers, ['content-length', String(content.bytes.length)]], content.bytes);
  }
  return requestOf(id, method, path, [...headers, ['transfer-encoding', 'chunked']], chunked(random, content.bytes));
}

function chunked(random: FuzzRandom, bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = random.pick([1, 10, 1000, 100_000]);
    const chunk = bytes.subarray(at, at + size);
    const extension = random.chance(0.05) ? ';name="value"' : '';
    parts.push(Buffer.from(`${chunk.length.toString(16)}${extension}\r\n`), chunk, Buffer.from('\r\n'));
    at += size;
    if (parts.length > 600) return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
  }
  return Buffer.concat([...parts, Buffer.from(random.chance(0.05) ? '0\r\ntrailer: x\r\n\r\n' : '0\r\n\r\n')]);
}

/** A call of the AWS APIs with a valid signature. */
function signedRequest(random: FuzzRandom, to: HttpTarget, id: string): FuzzRequest {
  const mount = random.pick(['', '/aws']);
  const s3 = (method: string, path: string, content: Buffer) => ({ service: 's3', method, path: `${mount}${path}`, body: content });
  const content = random.bytes(random.pick([0, 10, 2000]));
  const call = random.pick([
    () => ({ service: 'sagemaker', path: `${mount}/`, ...json(`SageMaker.${random.pick(sageMakerOperations)}`, random.json(2)) }),
    () => ({ service: 'monitoring', path: `${mount}/`, ...json('GraniteServiceVersion20100801.ListMetrics', random.json(1), '1.0') }),
    () => ({
      service: 'sagemaker',
      path: `${mount}/endpoints/digits/invocations`,
      headers: { 'content-type': random.pick(['text/csv', 'application/json', 'application/x-npy', 'x']) },
      body: random.chance(0.5) ? content : Buffer.from(JSON.stringify(mutatedJson(random, { instances: [[1, 2]] }))),
    }),
    () => s3(random.pick(['GET', 'PUT', 'HEAD', 'DELETE']), `/fuzz/${random.pick(['key', 'a/../b', '%00', 'x'.repeat(1025)])}`, content),
    () => s3(random.pick(['GET', 'PUT', 'POST']), `/fuzz?${random.pick(s3Queries)}=`, content),
    () => s3('PUT', '/fuzz', Buffer.alloc(0)),
  ])();
  const signed = sign(to.url, { key: to.key, ...call });
  const headers: Header[] = [...Object.entries(signed.headers), ['content-length', String(signed.body.length)]];
  return requestOf(id, signed.method, signed.path, headers, Buffer.from(signed.body));
}

const sageMakerOperations: readonly string[] = [
  'ListModels',
  'DescribeEndpoint',
  'CreateModel',
  'CreateEndpointConfig',
  'Nothing',
  'toString',
];
const s3Queries: readonly string[] = ['uploads', 'list-type', 'delete', 'versioning', 'acl', 'location', 'uploadId', 'max-keys'];

/** A request whose end is ambiguous, with another one in its possible body. */
function ambiguousRequest(random: FuzzRandom, to: HttpTarget): FuzzRequest {
  const { host } = new URL(to.url);
  const inner = `GET /v2/health/live HTTP/1.1\r\nhost: ${host}\r\nx-request-id: ${smuggledId}\r\n\r\n`;
  const asChunk = `${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`;
  const { headers, content } = random.pick(ambiguities)(inner, asChunk);
  const path = random.pick(['/v2/models/digits/infer', '/api/v1/groups', '/aws', '/', '/metrics']);
  const bytes = Buffer.from(`POST ${path} HTTP/1.1\r\nhost: ${host}\r\nx-request-id: r0\r\n${headers}\r\n${content}`, 'latin1');
  return { id: 'r0', isHead: false, bytes };
}

/** Headers (each with its line end) and content that one parser reads as a body and another as the next request. */
const ambiguities: readonly ((inner: string, asChunk: string) => { readonly headers: string; readonly content: string })[] = [
  (inner) => ({ headers: `content-length: ${inner.length}\r\ntransfer-encoding: chunked\r\n`, content: `0\r\n\r\n${inner}` }),
  (_, asChunk) => ({ headers: `transfer-encoding: chunked\r\ncontent-length: 3\r\n`, content: asChunk }),
  (inner) => ({ headers: `content-length: 0\r\ncontent-length: ${inner.length}\r\n`, content: inner }),
  (inner) => ({ headers: `content-length: ${inner.length}\r\ncontent-length: 0\r\n`, content: inner }),
  (inner) => ({ headers: `content-length: 0, ${inner.length}\r\n`, content: inner }),
  (inner) => ({ headers: `content-length: +${inner.length}\r\n`, content: inner }),
  (inner) => ({ headers: `content-length: 0x${inner.length.toString(16)}\r\n`, content: inner }),
  (inner) => ({ headers: `content-length : ${inner.length}\r\n`, content: inner }),
  (inner) => ({ headers: `x: y\r\n content-length: ${inner.length}\r\n`, content: '' }),
  (inner) => ({ headers: `content-length: ${inner.length}\n`, content: inner }),
  (inner) => ({ headers: `content-length:\0${inner.length}\r\n`, content: inner }),
  (inner) => ({ headers: `content-length: -1\r\n`, content: inner }),
  (inner) => ({ headers: `content-length: 99999999999999999999\r\n`, content: inner }),
  (_, asChunk) => ({ headers: 'transfer-encoding : chunked\r\n', content: asChunk }),
  (_, asChunk) => ({ headers: 'transfer-encoding: xchunked\r\n', content: asChunk }),
  (_, asChunk) => ({ headers: 'transfer-encoding: chunked, identity\r\n', content: asChunk }),
  (_, asChunk) => ({ headers: 'transfer-encoding: identity\r\ntransfer-encoding: chunked\r\n', content: asChunk }),
  (_, asChunk) => ({ headers: 'transfer-encoding:\x0bchunked\r\n', content: asChunk }),
  (_, asChunk) => ({ headers: 'transfer-encoding: chunked\r\nx: y\r\n', content: asChunk.replace('\r\n', '\n') }),
  (_, asChunk) => ({ headers: 'transfer-encoding: chunked\r\n', content: asChunk.replace('\r\n', ' \r\n') }),
  (_, asChunk) => ({ headers: 'transfer-encoding: chunked\r\n', content: `-${asChunk}` }),
  (_, asChunk) => ({ headers: 'transfer-encoding: chunked\r\n', content: `0${'f'.repeat(17)}\r\n${asChunk}` }),
  (_, asChunk) => ({ headers: 'transfer-encoding: chunked\r\n', content: `1\r\nab\r\n${asChunk}` }),
  (_, asChunk) => ({ headers: 'transfer-encoding: chunked\r\n', content: `1;${'x'.repeat(20_000)}\r\na\r\n${asChunk}` }),
  (inner) => ({ headers: `host: evil.example\r\ncontent-length: ${inner.length}\r\n`, content: inner }),
  (inner) => ({ headers: `x\0y: z\r\ncontent-length: ${inner.length}\r\n`, content: inner }),
  (inner) => ({ headers: `x: a\rb\r\ncontent-length: ${inner.length}\r\n`, content: inner }),
  (inner) => ({ headers: `: empty\r\ncontent-length: ${inner.length}\r\n`, content: inner }),
];
