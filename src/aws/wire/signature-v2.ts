/** Signature Version 2 in a query, as presigned URLs of S3 still bear it. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { SignedRequest, V2Signature } from './signature.ts';
import { malformed, SignatureRefusal } from './signature-refusal.ts';
import { mismatch } from './signature-v4.ts';

/** Parameters that say which part of a bucket or object is meant, or change the answer: those that are signed. */
const subResources = new Set(
  (
    'accelerate acl analytics cors delete encryption inventory legal-hold lifecycle location logging metrics notification ' +
    'object-lock partNumber policy publicAccessBlock replication requestPayment response-cache-control ' +
    'response-content-disposition response-content-encoding response-content-language response-content-type response-expires ' +
    'restore retention select select-type tagging torrent uploadId uploads versionId versioning versions website'
  ).split(' '),
);

/** Where the request points to, as this signature sees it. */
export interface V2Resource {
  /** As received, without the mount prefix. */
  readonly path: string;
  /** Of a virtual host. */
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

/** A value that the client may have moved into the query; where both are there they must agree. */
function headerOr(header: string | string[] | undefined, { pairs }: V2Signature, name: string): string {
  const query = pairs.find(([other]) => other.toLowerCase() === name)?.[1];
  if (query !== undefined && header !== undefined && query !== header) {
    throw new SignatureRefusal('signature-mismatch', `The ${name} of the query and that of the header do not agree`);
  }
  return query ?? (typeof header === 'string' ? header : '');
}

function canonicalResource({ pairs }: V2Signature, { path, hostBucket }: V2Resource): string {
  const whole = hostBucket === null ? path : `/${hostBucket}${path}`;
  const isBucketAlone = whole.length > 1 && whole.indexOf('/', 1) === -1;
  const parts = pairs.filter(([name]) => subResources.has(name)).map(([name, value]) => (value === '' ? name : `${name}=${value}`));
  return `${isBucketAlone ? `${whole}/` : whole}${parts.length === 0 ? '' : `?${parts.sort().join('&')}`}`;
}

/** Throws `SignatureRefusal`. The signature counts before the expiry, as everywhere. `nowMs` since the epoch. */
export function verifyV2(request: SignedRequest, signature: V2Signature, resource: V2Resource, secret: string, nowMs: number): void {
  const toSign = Buffer.from(stringToSignV2(request, signature, resource), 'latin1');
  const expected = createHmac('sha1', secret).update(toSign).digest();
  const given = Buffer.from(signature.signature, 'base64');
  if (given.length !== expected.length) throw malformed('the Signature must be the base64 form of 20 bytes');
  // The last base64 digit carries spare bits: only one spelling of a signature is right.
  if (!timingSafeEqual(expected, given) || expected.toString('base64') !== signature.signature) throw mismatch();
  if (nowMs > signature.expires * 1000) throw new SignatureRefusal('expired', 'Request has expired');
}
