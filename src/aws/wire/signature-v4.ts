/** Signature Version 4: the canonical request, the string to sign, and the keys derived for a day, a region and a service. */
import { createHmac, createSecretKey, hash, type KeyObject, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { canonicalPath, canonicalQuery } from './percent.ts';
import { epochMsOf, type Scope, type SignedRequest, type V4Signature } from './signature.ts';
import { SignatureRefusal } from './signature-refusal.ts';

/** How far a client's clock may be off, either way. */
const skewMsMax = 15 * 60_000;

export function sha256Hex(data: string | Uint8Array): string {
  return hash('sha256', data, 'hex');
}

/** `payloadHash` as in `x-amz-content-sha256`. Texts are binary strings. */
export function canonicalRequest(request: SignedRequest, signature: V4Signature, payloadHash: string): string {
  const { signedHeaders, pairs, service } = signature;
  let headers = '';
  for (const name of signedHeaders) headers += `${name}:${canonicalValue(request.headers, name)}\n`;
  const path = canonicalPath(request.path, service === 's3');
  return `${request.method}\n${path}\n${canonicalQuery(pairs)}\n${headers}\n${signedHeaders.join(';')}\n${payloadHash}`;
}

function canonicalValue(headers: IncomingHttpHeaders, name: string): string {
  const value = headers[name];
  if (value === undefined) throw new SignatureRefusal('signature-mismatch', `The signed header ${name} did not arrive`);
  const text = typeof value === 'string' ? value : value.join(',');
  return text.includes('  ') ? text.trim().replaceAll(/ +/g, ' ') : text.trim();
}

/** Derived keys, kept: deriving one takes four times as long as all the rest. Only keys that proved right are kept. */
export class SigningKeys {
  readonly #kept = new Map<string, { readonly secret: string; readonly key: KeyObject }>();
  readonly #keptMax: number;

  constructor(keptMax = 512) {
    this.#keptMax = keptMax;
  }

  /**
   * The key it was made with. Throws `SignatureRefusal` unless the signature is that of the secret. The comparison takes the same time wherever
   * the difference lies.
   */
  verify(request: SignedRequest, signature: V4Signature, payloadHash: string, secret: string): KeyObject {
    const { keyId, date } = signature;
    const scope = scopeText(signature);
    const canonical = canonicalRequest(request, signature, payloadHash);
    const toSign = `AWS4-HMAC-SHA256\n${date}\n${scope}\n${sha256Hex(Buffer.from(canonical, 'latin1'))}`;
    const id = `${keyId}/${scope}`;
    const kept = this.#kept.get(id);
    const key = kept?.secret === secret ? kept.key : derivedKey(secret, signature);
    const expected = createHmac('sha256', key).update(toSign).digest();
    if (!timingSafeEqual(expected, Buffer.from(signature.signature, 'hex'))) throw mismatch();
    if (kept?.key !== key) this.#keep(id, secret, key);
    return key;
  }

  #keep(id: string, secret: string, key: KeyObject): void {
    if (this.#kept.size >= this.#keptMax) this.#kept.clear(); // a day's keys are useless the day after, and cheap to have again
    this.#kept.set(id, { secret, key });
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

export function mismatch(): SignatureRefusal {
  return new SignatureRefusal(
    'signature-mismatch',
    'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.',
  );
}

/** The scope's day must be that of the date, and the headers that could change the meaning must be signed. */
export function checkCoverage({ headers }: SignedRequest, { day, date, signedHeaders }: V4Signature): void {
  if (!date.startsWith(day)) {
    const message = `Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '${day}' != '${date.slice(0, 8)}'.`;
    throw new SignatureRefusal('signature-mismatch', message);
  }
  if (!signedHeaders.includes('host')) throw unsigned('host');
  for (const name in headers) {
    if (name.startsWith('x-amz-') && !signedHeaders.includes(name)) throw unsigned(name);
  }
}

function unsigned(name: string): SignatureRefusal {
  return new SignatureRefusal('unsigned-header', `There were headers present in the request which were not signed: ${name}`);
}

/** Throws `SignatureRefusal` for a date too far off, or a signature that has expired. `nowMs` since the epoch. */
export function checkTime({ date, expiresSeconds }: V4Signature, nowMs: number): void {
  const signedMs = epochMsOf(date);
  if (signedMs > nowMs + skewMsMax) {
    const latest = dateOf(nowMs + skewMsMax);
    const message = `Signature expired: ${date} is still later than ${latest} (${dateOf(nowMs)} + 15 min.): the clocks differ`;
    throw new SignatureRefusal('clock-skew', message);
  }
  if (expiresSeconds !== null) {
    if (nowMs > signedMs + expiresSeconds * 1000) throw new SignatureRefusal('expired', 'Request has expired');
  } else if (signedMs < nowMs - skewMsMax) {
    const message = `Signature expired: ${date} is now earlier than ${dateOf(nowMs - skewMsMax)} (${dateOf(nowMs)} - 15 min.)`;
    throw new SignatureRefusal('clock-skew', message);
  }
}

/** `20261124T143149Z` */
function dateOf(epochMs: number): string {
  return `${new Date(epochMs).toISOString().replaceAll(/[-:]/g, '').slice(0, 15)}Z`;
}
