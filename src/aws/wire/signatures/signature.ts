/** Finds a request's signature in its header or query and validates its form. Verifies nothing. */
import type { IncomingHttpHeaders } from 'node:http';
import { type Pair, queryPairs } from '../percent.ts';
import { malformedSignature, SignatureError } from './signature-error.ts';

/** The parts of a request that a signature covers. Path and query are as received, including the mount prefix. */
export interface SignedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
}

/** The credential scope, signed as `date/region/service/aws4_request`. */
export interface Scope {
  /** `20261124` */
  readonly day: string;
  readonly region: string;
  /** `sagemaker`, `monitoring`, `s3`, ... */
  readonly service: string;
}

export interface V4Signature extends Scope {
  readonly scheme: 'v4-header' | 'v4-query';
  readonly keyId: string;
  /** In lower case, sorted. */
  readonly signedHeaders: readonly string[];
  /** 64 hexadecimal digits. */
  readonly signature: string;
  /** `20261124T143149Z` */
  readonly date: string;
  /** Counted from `date`; null for a signature in a header. */
  readonly expiresSeconds: number | null;
  /** Decoded, without the signature itself. */
  readonly pairs: readonly Pair[];
}

export interface V2Signature {
  readonly scheme: 'v2-query';
  readonly service: 's3';
  readonly keyId: string;
  /** Base64. */
  readonly signature: string;
  /** Epoch seconds. */
  readonly expires: number;
  /** Decoded, without the parameters of the signature. */
  readonly pairs: readonly Pair[];
}

export type RequestSignature = V4Signature | V2Signature;

const algorithm = 'AWS4-HMAC-SHA256';
const expiresSecondsMax = 604_800;
const v4Members = ['X-Amz-Algorithm', 'X-Amz-Credential', 'X-Amz-Date', 'X-Amz-Expires', 'X-Amz-SignedHeaders', 'X-Amz-Signature'];
const v2Members = ['AWSAccessKeyId', 'Signature', 'Expires'];

/** Throws `SignatureError` if the signature is missing or malformed. */
export function readSignature({ query, headers }: SignedRequest): RequestSignature {
  const { authorization } = headers;
  const pairs = queryPairs(query);
  const isV4Query = pairs.some(([name]) => name === 'X-Amz-Signature' || name === 'X-Amz-Credential');
  const isV2Query = pairs.some(([name]) => name === 'AWSAccessKeyId');
  if (authorization !== undefined) {
    if (isV4Query || isV2Query)
      throw malformedSignature('Only one way to authenticate is allowed: a signature in the header or one in the query');
    return fromHeader(authorization, headers['x-amz-date'], pairs);
  }
  if (isV4Query) return fromV4Query(pairs);
  if (isV2Query) return fromV2Query(pairs);
  throw new SignatureError('missing', 'Missing Authentication Token: sign the request with a key of this server (penstock env prints one)');
}

function fromHeader(authorization: string, date: string | string[] | undefined, pairs: readonly Pair[]): V4Signature {
  if (!authorization.startsWith(`${algorithm} `)) {
    if (/^bearer /i.test(authorization)) {
      throw new SignatureError('missing', 'Missing Authentication Token: this path takes requests signed with Signature Version 4');
    }
    throw malformedSignature(`Authorization header: expected '${algorithm} Credential=…, SignedHeaders=…, Signature=…'`);
  }
  let credential: string | undefined;
  let signedHeaders: string | undefined;
  let signature: string | undefined;
  for (const part of authorization.slice(algorithm.length + 1).split(',')) {
    const [name, value] = splitOnce(part.trim());
    if (name === 'Credential' && credential === undefined) credential = value;
    else if (name === 'SignedHeaders' && signedHeaders === undefined) signedHeaders = value;
    else if (name === 'Signature' && signature === undefined) signature = value;
    else throw malformedSignature(`Authorization header: expected Credential, SignedHeaders and Signature, each once; got ${quoted(name)}`);
  }
  return {
    scheme: 'v4-header',
    ...parseCredential(credential),
    signedHeaders: parseSignedHeaders(signedHeaders),
    signature: parseSignature(signature),
    date: parseDate(typeof date === 'string' ? date : undefined),
    expiresSeconds: null,
    pairs,
  };
}

function fromV4Query(pairs: readonly Pair[]): V4Signature {
  const members = uniqueMembers(pairs, v4Members);
  if (members.get('X-Amz-Algorithm') !== algorithm) throw malformedSignature(`X-Amz-Algorithm only supports ${algorithm}`);
  const expires = members.get('X-Amz-Expires') ?? '';
  if (!/^\d{1,6}$/.test(expires) || Number(expires) < 1 || Number(expires) > expiresSecondsMax) {
    throw malformedSignature(`X-Amz-Expires must be a number of seconds from 1 to ${expiresSecondsMax}, got ${quoted(expires)}`);
  }
  return {
    scheme: 'v4-query',
    ...parseCredential(members.get('X-Amz-Credential')),
    signedHeaders: parseSignedHeaders(members.get('X-Amz-SignedHeaders')),
    signature: parseSignature(members.get('X-Amz-Signature')),
    date: parseDate(members.get('X-Amz-Date')),
    expiresSeconds: Number(expires),
    pairs: pairs.filter(([name]) => name !== 'X-Amz-Signature'),
  };
}

function fromV2Query(pairs: readonly Pair[]): V2Signature {
  const members = uniqueMembers(pairs, v2Members);
  const keyId = members.get('AWSAccessKeyId') ?? '';
  const signature = members.get('Signature') ?? '';
  const expires = members.get('Expires') ?? '';
  if (keyId === '' || !/^[A-Za-z0-9+/]{27}=$/.test(signature) || !/^\d{1,12}$/.test(expires)) {
    throw malformedSignature(
      'Query-string authentication requires the AWSAccessKeyId, Signature (base64) and Expires (epoch seconds) parameters',
    );
  }
  return {
    scheme: 'v2-query',
    service: 's3',
    keyId,
    signature,
    expires: Number(expires),
    pairs: pairs.filter(([name]) => !v2Members.includes(name)),
  };
}

/** Query parameters that accompany a signature without being part of it. */
const unsignedQueryNames = ['X-Amz-Security-Token', 'X-Amz-Content-Sha256'];

/** The request's parameters without those of its signature. */
export function withoutSignature({ pairs, scheme }: RequestSignature): readonly Pair[] {
  return scheme === 'v4-query' ? pairs.filter(([name]) => !v4Members.includes(name) && !unsignedQueryNames.includes(name)) : pairs;
}

function uniqueMembers(pairs: readonly Pair[], names: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of pairs) {
    if (!names.includes(name)) continue;
    if (found.has(name)) throw malformedSignature(`duplicate query parameter ${name}`);
    found.set(name, value);
  }
  return found;
}

function parseCredential(text: string | undefined): Scope & { readonly keyId: string } {
  const parts = text === undefined ? [] : text.split('/');
  const [keyId = '', day = '', region = '', service = '', end] = parts;
  const isComplete = parts.length === 5 && end === 'aws4_request' && /^\d{8}$/.test(day);
  if (!isComplete || keyId === '' || !/^[a-z0-9-]{1,40}$/.test(region) || !/^[a-z0-9-]{1,40}$/.test(service)) {
    throw malformedSignature(
      `the Credential is mal-formed; expecting "<key id>/YYYYMMDD/REGION/SERVICE/aws4_request", got ${quoted(text ?? '')}`,
    );
  }
  return { keyId, day, region, service };
}

function parseSignedHeaders(text: string | undefined): string[] {
  const names = text === undefined || text === '' ? [] : text.split(';');
  const isAscending = names.every((name, i) => /^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(name) && (i === 0 || (names[i - 1] as string) < name));
  if (names.length === 0 || !isAscending)
    throw malformedSignature('SignedHeaders must be names in lower case, sorted, separated by semicolons');
  return names;
}

function parseSignature(text: string | undefined): string {
  if (text === undefined || !/^[0-9a-f]{64}$/.test(text)) throw malformedSignature('the Signature must be 64 hexadecimal digits');
  return text;
}

function parseDate(text: string | undefined): string {
  if (text === undefined || Number.isNaN(epochMsOf(text))) {
    throw malformedSignature(`x-amz-date is required and must be in the form YYYYMMDD'T'HHMMSS'Z', got ${quoted(text ?? '')}`);
  }
  return text;
}

/** Epoch milliseconds of `20261124T143149Z`; NaN for any other text. */
export function epochMsOf(date: string): number {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date);
  if (parts === null) return Number.NaN;
  const [year, month, day, hour, minute, second] = parts.slice(1).map(Number) as [number, number, number, number, number, number];
  const isPossible = month >= 1 && month <= 12 && day >= 1 && day <= 31 && hour < 24 && minute < 60 && second < 61;
  return isPossible ? Date.UTC(year, month - 1, day, hour, minute, second) : Number.NaN;
}

function splitOnce(text: string): [string, string] {
  const equals = text.indexOf('=');
  return equals === -1 ? [text, ''] : [text.slice(0, equals), text.slice(equals + 1)];
}

function quoted(text: string): string {
  return `'${text.slice(0, 100)}'`;
}
