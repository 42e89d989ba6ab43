/**
 * Requests that AWS's own clients sent and signed with a made-up key, one per line in captured-requests.jsonl, followed by
 * tampered ones (`T1`...). The functions replay them with or without a socket.
 */
import { readFileSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { Access } from '../../src/access/index.ts';
import { Admissions } from '../../src/aws/wire/admission.ts';
import { hostBucketOf, parseAwsRoute, withoutMount } from '../../src/aws/wire/route.ts';
import { VerifiedCall } from '../../src/aws/wire/signatures/verified.ts';
import { BodyBudget } from '../../src/http/index.ts';

export interface Captured {
  readonly id: string;
  /** The moment of signing. */
  readonly now: string;
  readonly method: string;
  /** As received, with the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly bodyBase64?: string;
  readonly expect: Expected;
}

export interface Expected {
  readonly ok: boolean;
  readonly scheme: 'v4-header' | 'v4-query' | 'v2-query';
  /** Service of the credential scope. */
  readonly service: string;
  readonly protocol: string;
  readonly operation: string;
  readonly basePath?: string;
  readonly bucket?: string;
  readonly key?: string;
  readonly decodedLength?: number;
  readonly trailers?: Readonly<Record<string, string>>;
  readonly input?: Readonly<Record<string, unknown>>;
  /** Reason of a rejection. */
  readonly reason?: string;
  readonly httpStatus?: number;
  readonly code?: string;
}

export const capturedKey = { id: 'AKIDEXAMPLE0000000', secret: 'secretsecretsecret' };

export const captured: readonly Captured[] = readFileSync(join(import.meta.dirname, 'captured-requests.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Captured);

export function bodyOf({ body, bodyBase64 }: Captured): Buffer {
  return bodyBase64 === undefined ? Buffer.from(body ?? '') : Buffer.from(bodyBase64, 'base64');
}

export interface RawReply {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** Sends a captured request unchanged over a socket. */
export function replay(url: string, line: Captured): Promise<RawReply> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const { method, path, headers } = line;
    const request = httpRequest({ hostname, port, method, path, headers, setHost: false, agent: false }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(pieces).toString() }),
      );
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(bodyOf(line));
  });
}

/** A request with the fields of node:http, without a socket. */
function incoming({ method, path, headers }: Captured, body: Buffer): IncomingMessage {
  const request = Object.assign(new PassThrough(), { method, url: path, headers: { ...headers }, complete: true });
  request.end(body);
  return request as unknown as IncomingMessage;
}

/** Verifies a request and its body. Throws the error that rejects it. */
export async function verify(line: Captured, { access = accessWith(capturedKey), nowMs = Date.parse(line.now), body = bodyOf(line) } = {}) {
  const [path, query] = splitOnce(line.path);
  const request = incoming(line, body);
  const response = { writeContinue: () => {} } as unknown as ServerResponse;
  const signed = { method: line.method, path, query, headers: request.headers };
  const inner = withoutMount(path);
  const { service } = parseAwsRoute(signed, inner);
  const hostBucket = service === 's3' ? hostBucketOf(line.headers.host, []) : null;
  const budget = new BodyBudget(2 ** 24);
  const admissions = new Admissions({ access, clock: { wallMs: () => nowMs }, budget });
  const context = { path: inner, hostBucket, isS3: service === 's3', bytesMax: 2 ** 20 };
  const admission = await admissions.admit(request, response, signed, context);
  const place = { account: '000000000000', region: 'us-east-1' };
  const verified = new VerifiedCall(request, response, { ...admission, ...place, budget, requestId: 'r', path: inner, hostBucket });
  return { verified, body: await verified.readBody(2 ** 20) };
}

/** Access with this key only. */
export function accessWith({ id, secret }: { readonly id: string; readonly secret: string }): Pick<Access, 'signerFor'> {
  return {
    signerFor: (requested) => (requested === id ? { secret, caller: { keyId: id, role: 'admin' } } : undefined),
  };
}

function splitOnce(path: string): [string, string] {
  const question = path.indexOf('?');
  return question === -1 ? [path, ''] : [path.slice(0, question), path.slice(question + 1)];
}

/** All requests that differ from this one in one signed character. */
export function* mutations(line: Captured): Generator<{ readonly what: string; readonly line: Captured; readonly body: Buffer }> {
  const body = bodyOf(line);
  const signedHeaders = /SignedHeaders=([^,&]+)/.exec(line.headers.authorization ?? decodeURIComponent(line.path))?.[1]?.split(';') ?? [];
  const names = line.expect.scheme === 'v2-query' ? Object.keys(line.headers).filter((name) => name === 'content-type') : signedHeaders;
  for (const name of names) {
    const value = line.headers[name];
    if (value === undefined) continue;
    yield { what: `header ${name}`, line: { ...line, headers: { ...line.headers, [name]: flipped(value) } }, body };
  }
  const [path, query] = splitOnce(line.path);
  yield { what: 'path', line: { ...line, path: `${flipped(path)}${query === '' ? '' : `?${query}`}` }, body };
  const pairs = query === '' ? [] : query.split('&');
  for (const [index, pair] of pairs.entries()) {
    const at = pair.indexOf('=') + 1;
    if (at === 0 || at === pair.length) continue;
    const changed = pairs.with(index, `${pair.slice(0, at)}${flipped(pair.slice(at))}`);
    yield { what: `query ${pair.slice(0, at - 1)}`, line: { ...line, path: `${path}?${changed.join('&')}` }, body };
  }
  const { authorization } = line.headers;
  if (authorization !== undefined) {
    yield { what: 'signature', line: { ...line, headers: { ...line.headers, authorization: flipped(authorization) } }, body };
  }
  if (body.length > 0 && coversBody(line)) {
    const other = Buffer.from(body);
    other.writeUInt8(other.readUInt8(other.length >> 1) ^ 1, other.length >> 1);
    yield { what: 'body', line, body: other };
  }
  yield { what: 'method', line: { ...line, method: line.method === 'PUT' ? 'POST' : 'PUT' }, body };
}

function coversBody({ expect, headers }: Captured): boolean {
  return expect.scheme === 'v4-header' && headers['x-amz-content-sha256'] !== 'UNSIGNED-PAYLOAD';
}

/** With its last letter or digit another one. */
function flipped(text: string): string {
  const at = text.search(/[A-Za-z0-9][^A-Za-z0-9]*$/);
  if (at === -1) return `${text}x`;
  const code = text.charCodeAt(at);
  const other = /[0-9]/.test(text.charAt(at)) ? 0x30 + ((code - 0x30 + 1) % 10) : code === 0x61 || code === 0x41 ? code + 1 : code - 1;
  return text.slice(0, at) + String.fromCharCode(other) + text.slice(at + 1);
}
