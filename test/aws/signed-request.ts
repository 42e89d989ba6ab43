/** Signed requests for cases that no captured client sends. */
import { createHmac } from 'node:crypto';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { readSignature, type V4Signature } from '../../src/aws/wire/signatures/signature.ts';
import { canonicalRequest, sha256Hex } from '../../src/aws/wire/signatures/signature-v4.ts';

export interface SignOptions {
  readonly key: { readonly id: string; readonly secret: string };
  /** Service of the credential scope: `sagemaker`, `monitoring`. */
  readonly service: string;
  readonly method?: string;
  /** Including the query. */
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** False, as for boto3 outside of S3: the verifier hashes the body. */
  readonly sendsHash?: boolean;
  /** Epoch milliseconds. */
  readonly nowMs?: number;
}

export interface Prepared {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Signs a request with all its headers. */
export function sign(url: string, options: SignOptions): Prepared {
  const { key, service, method = 'POST', path = '/', headers: more = {} } = options;
  const body = typeof options.body === 'string' ? Buffer.from(options.body) : (options.body ?? Buffer.alloc(0));
  const date = `${new Date(options.nowMs ?? Date.now()).toISOString().replaceAll(/[-:]/g, '').slice(0, 15)}Z`;
  const headers: Record<string, string> = {
    host: new URL(url).host,
    'x-amz-date': date,
    ...(options.sendsHash === false ? {} : { 'x-amz-content-sha256': sha256Hex(body) }),
    ...more,
  };
  const names = Object.keys(headers).sort();
  const day = date.slice(0, 8);
  const scope = `${day}/eu-central-1/${service}/aws4_request`;
  const authorization = (signature: string): string =>
    `AWS4-HMAC-SHA256 Credential=${key.id}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  const [bare = '', query = ''] = path.split('?');
  const unsigned = { method, path: bare, query, headers: { ...headers, authorization: authorization('0'.repeat(64)) } };
  const canonical = canonicalRequest(unsigned, readSignature(unsigned) as V4Signature, headers['x-amz-content-sha256'] ?? sha256Hex(body));
  let derived: Buffer | string = `AWS4${key.secret}`;
  for (const part of [day, 'eu-central-1', service, 'aws4_request']) derived = createHmac('sha256', derived).update(part).digest();
  const toSign = `AWS4-HMAC-SHA256\n${date}\n${scope}\n${sha256Hex(Buffer.from(canonical, 'latin1'))}`;
  const signature = createHmac('sha256', derived).update(toSign).digest('hex');
  return { method, path, headers: { ...headers, authorization: authorization(signature) }, body };
}

/** The body of a request that was signed with STREAMING-AWS4-HMAC-SHA256-PAYLOAD. */
export function signedChunks({ headers }: Prepared, secret: string, chunks: readonly string[]): string {
  const date = headers['x-amz-date'] as string;
  const { 1: scope = '', 2: signature = '' } = /Credential=[^/]+\/([^,]+),.*Signature=(.*)$/.exec(headers.authorization ?? '') ?? [];
  let key: Buffer | string = `AWS4${secret}`;
  for (const part of scope.split('/')) key = createHmac('sha256', key).update(part).digest();
  let last = signature;
  return [...chunks, '']
    .map((chunk) => {
      const toSign = `AWS4-HMAC-SHA256-PAYLOAD\n${date}\n${scope}\n${last}\n${sha256Hex('')}\n${sha256Hex(chunk)}`;
      last = createHmac('sha256', key).update(toSign).digest('hex');
      return `${chunk.length.toString(16)};chunk-signature=${last}\r\n${chunk}\r\n`;
    })
    .join('');
}

/** Headers and body of a call in the JSON protocol. */
export function json(target: string, document: unknown, version = '1.1'): Pick<Prepared, 'headers'> & { readonly body: string } {
  const headers = { 'x-amz-target': target, 'content-type': `application/x-amz-json-${version}` };
  return { headers, body: JSON.stringify(document) };
}

/** Headers and body of a call in the query protocol. */
export function form(fields: Readonly<Record<string, string>>): Pick<Prepared, 'headers'> & { readonly body: string } {
  return { headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' }, body: new URLSearchParams(fields).toString() };
}

export interface Reply {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export function send(url: string, { method, path, headers, body }: Partial<Prepared>): Promise<Reply> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const request = httpRequest({ hostname, port, method, path, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (piece: string) => {
        text += piece;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

export function sendSigned(url: string, options: SignOptions): Promise<Reply> {
  return send(url, sign(url, options));
}

/** The error type of a JSON error response. */
export function typeOf(body: string): string {
  return (JSON.parse(body) as { __type: string }).__type;
}

/** The message of a JSON error response. */
export function messageOf(body: string): string {
  return (JSON.parse(body) as { message: string }).message;
}
