/** Signature Version 4: the canonical request, the string to sign, and the signing keys derived from day, region and service. */
import { createHmac, createSecretKey, hash, type KeyObject, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { canonicalPath, canonicalQuery } from '../percent.ts';
import { epochMsOf, type Scope, type SignedRequest, type V4Signature } from './signature.ts';
import { SignatureError } from './signature-error.ts';

/** Allowed clock skew of a client, in either direction. */
const skewMsMax = 15 * 60_000;

export function sha256Hex(data: string | Uint8Array): string {
  return hash('sha256', data, 'hex');
}

/** `payloadHash` is the value of `x-amz-content-sha256`. Texts are binary strings. */
export function canonicalRequest(request: SignedRequest, signature: V4Signature, payloadHash: string): string {
  const { signedHeaders, pairs, service } = signature;
  let headers = '';
  for (const name of signedHeaders) headers += `${name}:${canonicalValue(request.headers, name)}\n`;
  const path = canonicalPath(request.path, service === 's3');
  return `${request.method}\n${path}\n${canonicalQuery(pairs)}\n${headers}\n${signedHeaders.join(';')}\n${payloadHash}`;
}

function canonicalValue(headers: IncomingHttpHeaders, name: string): string {
  const value = headers[name];
  if (value === undefined) throw new SignatureError('signature-mismatch', `The signed header ${name} did not arrive`);
  const text = typeof value === 'string' ? value : value.join(',');
  return text.includes('  ') ? text.trim().replaceAll(/ +/g, ' ') : text.trim();
}

/** Caches derived keys: a derivation takes four times as long as the rest of the verification. Only keys of valid signatures are cached. */
export class SigningKeys {
  readonly #cached = new Map<string, { readonly secret: string; readonly key: KeyObject }>();
  readonly #cachedMax: number;

  constructor(keptMax = 512) {
    this.#cachedMax = keptMax;
  }

  /**
   * Returns the key that made the signature. Throws `SignatureError` if the signature does not match the secret. The comparison runs in
   * constant time.
   */
  verify(request: SignedRequest, signature: V4Signature, payloadHash: string, secret: string): KeyObject {
    const { keyId, date } = signature;
    const scope = scopeText(signature);
    const canonical = canonicalRequest(request, signature, payloadHash);
    const toSign = `AWS4-HMAC-SHA256\n${date}\n${scope}\n${sha256Hex(Buffer.from(canonical, 'latin1'))}`;
    const id = `${keyId}/${scope}`;
    const retained = this.#cached.get(id);
    const key = retained?.secret === secret ? retained.key : derivedKey(secret, signature);
    const expected = createHmac('sha256', key).update(toSign).digest();
    if (!timingSafeEqual(expected, Buffer.from(signature.signature, 'hex'))) throw mismatch();
    if (retained?.key !== key) this.#cache(id, secret, key);
    return key;
  }

  #cache(id: string, secret: string, key: KeyObject): void {
    if (this.#cached.size >= this.#cachedMax) this.#cached.clear(); // Keys expire daily and are cheap to derive again.
    this.#cached.set(id, { secret, key });
  }
}

/** `20261124/us-east-1/s3/aws4_request` */
export function scopeText({ day, region, service }: Scope): string {
  return `${day}/${region}/${service}/aws4_request`;
}

function derivedKey(secret: string, { day, region, service }: Scope): KeyObject {
  let key = Buffer.from(`AWS4${secret}`);
  for (const part of [day, region, service, 'aws4_request']) key = createHmac('sha256', key).update(part).digest();
  return createSecretKey(key);
}

export function mismatch(): SignatureError {
  return new SignatureError(
    'signature-mismatch',
    'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.',
  );
}

/** Requires the scope's day to match the date, and all headers that could change the request's meaning to be signed. */
export function checkCoverage({ headers }: SignedRequest, { day, date, signedHeaders }: V4Signature): void {
  if (!date.startsWith(day)) {
    const message = `Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '${day}' != '${date.slice(0, 8)}'.`;
    throw new SignatureError('signature-mismatch', message);
  }
  if (!signedHeaders.includes('host')) throw unsigned('host');
  for (const name in headers) {
    if (name.startsWith('x-amz-') && !signedHeaders.includes(name)) throw unsigned(name);
  }
}

function unsigned(name: string): SignatureError {
  return new SignatureError('unsigned-header', `There were headers present in the request which were not signed: ${name}`);
}

/** Throws `SignatureError` for excessive clock skew or an expired signature. `nowMs` is epoch milliseconds. */
export function checkTime({ date, expiresSeconds }: V4Signature, nowMs: number): void {
  const signedMs = epochMsOf(date);
  if (signedMs > nowMs + skewMsMax) {
    const latest = dateOf(nowMs + skewMsMax);
    const message = `Signature expired: ${date} is still later than ${latest} (${dateOf(nowMs)} + 15 min.): the clocks differ`;
    throw new SignatureError('clock-skew', message);
  }
  if (expiresSeconds !== null) {
    if (nowMs > signedMs + expiresSeconds * 1000) throw new SignatureError('expired', 'Request has expired');
  } else if (signedMs < nowMs - skewMsMax) {
    const message = `Signature expired: ${date} is now earlier than ${dateOf(nowMs - skewMsMax)} (${dateOf(nowMs)} - 15 min.)`;
    throw new SignatureError('clock-skew', message);
  }
}

/** `20261124T143149Z` */
function dateOf(epochMs: number): string {
  return `${new Date(epochMs).toISOString().replaceAll(/[-:]/g, '').slice(0, 15)}Z`;
}
