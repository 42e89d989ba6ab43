/** Signature Version 2 in a query, which presigned S3 URLs still use. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { SignedRequest, V2Signature } from './signature.ts';
import { malformedSignature, SignatureError } from './signature-error.ts';
import { mismatch } from './signature-v4.ts';

/** Signed query parameters: those that select a sub-resource or change the response. */
const subResources = new Set(
  (
    'accelerate acl analytics cors delete encryption inventory legal-hold lifecycle location logging metrics notification ' +
    'object-lock partNumber policy publicAccessBlock replication requestPayment response-cache-control ' +
    'response-content-disposition response-content-encoding response-content-language response-content-type response-expires ' +
    'restore retention select select-type tagging torrent uploadId uploads versionId versioning versions website'
  ).split(' '),
);

/**
 * The limit that AWS sets for presigned URLs of Version 4: a URL that cannot be revoked must expire. The extra 15 minutes allow for clock
 * skew.
 */
const lifeMsMax = 7 * 86_400_000 + 15 * 60_000;

/** The resource as this signature scheme identifies it. */
export interface V2Resource {
  /** As received, without the mount prefix. */
  readonly path: string;
  /** From the virtual host; null in path style. */
  readonly hostBucket: string | null;
}

/** Texts are binary strings. */
export function stringToSignV2(request: SignedRequest, signature: V2Signature, resource: V2Resource): string {
  const { headers, method } = request;
  const names = Object.keys(headers).filter((name) => name.startsWith('x-amz-'));
  const amzHeaders = names.sort().map(
    (name) =>
      `${name}:${String(headers[name])
        .trim()
        .replaceAll(/\s*\n\s*/g, ' ')}\n`,
  );
  const md5 = headerOr(headers['content-md5'], signature, 'content-md5');
  const type = headerOr(headers['content-type'], signature, 'content-type');
  return `${method}\n${md5}\n${type}\n${signature.expires}\n${amzHeaders.join('')}${canonicalResource(signature, resource)}`;
}

/** A value that the client may have moved into the query. If both exist, they must agree. */
function headerOr(header: string | string[] | undefined, { pairs }: V2Signature, name: string): string {
  const query = pairs.find(([other]) => other.toLowerCase() === name)?.[1];
  if (query !== undefined && header !== undefined && query !== header) {
    throw new SignatureError('signature-mismatch', `The ${name} of the query and that of the header do not agree`);
  }
  return query ?? (typeof header === 'string' ? header : '');
}

function canonicalResource({ pairs }: V2Signature, { path, hostBucket }: V2Resource): string {
  const whole = hostBucket === null ? path : `/${hostBucket}${path}`;
  const isBucketAlone = whole.length > 1 && whole.indexOf('/', 1) === -1;
  const parts = pairs.filter(([name]) => subResources.has(name)).map(([name, value]) => (value === '' ? name : `${name}=${value}`));
  return `${isBucketAlone ? `${whole}/` : whole}${parts.length === 0 ? '' : `?${parts.sort().join('&')}`}`;
}

/** Throws `SignatureError`. Checks the signature before the expiry, as everywhere. `nowMs` is epoch milliseconds. */
export function verifyV2(request: SignedRequest, signature: V2Signature, resource: V2Resource, secret: string, nowMs: number): void {
  const toSign = Buffer.from(stringToSignV2(request, signature, resource), 'latin1');
  const expected = createHmac('sha1', secret).update(toSign).digest();
  const input = Buffer.from(signature.signature, 'base64');
  if (input.length !== expected.length) throw malformedSignature('the Signature must be the base64 form of 20 bytes');
  // The last base64 digit has unused bits. Only the canonical spelling is accepted.
  if (!timingSafeEqual(expected, input) || expected.toString('base64') !== signature.signature) throw mismatch();
  if (nowMs > signature.expires * 1000) throw new SignatureError('expired', 'Request has expired');
  if (signature.expires * 1000 > nowMs + lifeMsMax) {
    throw malformedSignature('Expires must be less than a week in the future: presign the URL for a shorter time');
  }
}
