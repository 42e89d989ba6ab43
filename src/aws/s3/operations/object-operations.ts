/** Operations on objects: put, get, copy, delete. */
import { pipeline } from 'node:stream/promises';
import { AwsError } from '../../service.ts';
import { element } from '../../wire/xml.ts';
import { judgeConditions, rangeOf, writeCondition } from '../objects/conditions.ts';
import type { ByteRange, S3Object } from '../objects/object.ts';
import type { OpenObject } from '../objects/open-object.ts';
import { requireReadable } from '../s3-actions.ts';
import { s3Error } from '../s3-errors.ts';
import { bodyOf, checksumHeaders, headersOf, quoted, type S3Call, sendEmpty, sendXml } from './call.ts';
import { copySource } from './copy-source.ts';
import { checksumsOf, objectHeaders } from './request-headers.ts';

/** Streams the body into the store. A checksum that does not match leaves no object. */
export async function putObject(call: S3Call): Promise<void> {
  const { request, store, bucket, key } = call;
  const headers = { ...objectHeaders(request.headers), writer: request.caller.keyId };
  const condition = writeCondition(request.headers);
  checkContentLength(call);
  const object = await store.put(bucket, key, bodyOf(call), { headers, condition, checksums: () => sentChecksums(call) });
  sendEmpty(call, 200, { etag: quoted(object.etag), ...checksumHeaders(object.checksums) });
}

/** Sends an object or a range of it, after the conditions of the request. */
export async function getObject(call: S3Call): Promise<void> {
  const { response } = call;
  const object = await call.store.open(call.bucket, call.key);
  if (object === null) throw await missing(call);
  try {
    requireReadable(call.request.caller, object, 'GetObject');
    const reading = readingOf(call, object);
    if (reading === 'not-modified') {
      sendEmpty(call, 304, { etag: quoted(object.etag), 'last-modified': new Date(object.modifiedAtMs).toUTCString() });
      return;
    }
    response.writeHead(reading.status, reading.headers);
    await pipeline(object.stream(reading.range), response).catch((error: unknown) => {
      if (!isDisconnect(error)) throw error;
    });
  } finally {
    object.close();
  }
}

/** The response of GetObject without its body. Only a request for a part needs the pieces of the object. */
export async function headObject(call: S3Call): Promise<void> {
  const object = await (call.request.query.has('partNumber')
    ? call.store.open(call.bucket, call.key)
    : call.store.head(call.bucket, call.key));
  if (object === null) throw await missing(call);
  try {
    requireReadable(call.request.caller, object, 'HeadObject');
    const reading = readingOf(call, object);
    if (reading === 'not-modified') sendEmpty(call, 304, { etag: quoted(object.etag) });
    else sendEmpty(call, reading.status, reading.headers);
  } finally {
    if ('close' in object) (object as OpenObject).close();
  }
}

/** A client that disconnects is not a server failure. */
function isDisconnect(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ECONNRESET' || code === 'EPIPE';
}

/** Succeeds for an absent object, as S3 does. */
export async function deleteObject(call: S3Call): Promise<void> {
  await call.store.delete(call.bucket, call.key);
  sendEmpty(call, 204);
}

/** Copies within this server. Copying an object to itself is allowed only if its headers are replaced. */
export async function copyObject(call: S3Call): Promise<void> {
  const { request, store, bucket, key } = call;
  const directive = request.headers['x-amz-metadata-directive'] ?? 'COPY';
  if (directive !== 'COPY' && directive !== 'REPLACE') throw s3Error('InvalidArgument', 'Unknown metadata directive.');
  const from = copySource(request.headers);
  if (directive === 'COPY' && from.bucket === bucket && from.key === key) {
    throw s3Error(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    );
  }
  const input = objectHeaders(request.headers);
  const headers = directive === 'REPLACE' ? input : undefined;
  const judge = (source: S3Object): void => {
    requireReadable(request.caller, source, 'CopyObject');
    if (judgeConditions(source, request.headers, 'x-amz-copy-source-') !== 'holds') throw s3Error('PreconditionFailed');
  };
  const object = await store.copy(
    from,
    { bucket, key },
    {
      headers,
      judge,
      condition: writeCondition(request.headers),
      writer: request.caller.keyId,
    },
  );
  sendXml(call, 'CopyObjectResult', [element('LastModified', new Date(object.modifiedAtMs)), element('ETag', quoted(object.etag))]);
}

/** Objects have no tags, but clients request them before a copy. */
export async function getObjectTagging(call: S3Call): Promise<void> {
  if ((await call.store.head(call.bucket, call.key)) === null) throw await missing(call);
  sendXml(call, 'Tagging', element('TagSet', null));
}

/** Checksums sent in headers or trailers. The router has already verified them. */
export function sentChecksums({ request }: S3Call) {
  return checksumsOf({ ...request.headers, ...request.trailers() });
}

/** Runs before the body is read. */
export function checkContentLength({ request, store }: S3Call): void {
  if (request.contentLength !== null && request.contentLength > store.objectBytesMax) throw s3Error('EntityTooLarge');
}

/** Distinguishes a missing key from a missing bucket. */
async function missing({ store, bucket, key }: S3Call): Promise<AwsError> {
  if ((await store.bucket(bucket)) === null) return s3Error('NoSuchBucket');
  const { code, message, httpStatus } = s3Error('NoSuchKey');
  return new AwsError(code, message, { httpStatus, members: { Key: key } });
}

interface Reading {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly range: ByteRange;
}

/** Evaluates the conditions and the range of a read. Throws `PreconditionFailed` or `InvalidRange`. */
function readingOf({ request }: S3Call, object: S3Object & Partial<OpenObject>): Reading | 'not-modified' {
  const judged = judgeConditions(object, request.headers);
  if (judged === 'fails') throw s3Error('PreconditionFailed');
  if (judged === 'not-modified') return judged;
  const part = partOf(object, request.query.get('partNumber'));
  const range = part ?? (isRangeApplicable(object, request.headers['if-range']) ? rangeOf(request.headers.range, object.bytes) : null);
  const { start, end } = range ?? { start: 0, end: object.bytes };
  const isRequested = request.headers['x-amz-checksum-mode']?.toString().toUpperCase() === 'ENABLED';
  const headers = {
    ...headersOf(object),
    ...overrides(request.query),
    'accept-ranges': 'bytes',
    'content-length': String(end - start),
    ...(range === null ? {} : { 'content-range': `bytes ${start}-${end - 1}/${object.bytes}` }),
    ...(range === null && isRequested ? checksumHeaders(object.checksums) : {}),
    ...(part === null || object.parts === null ? {} : { 'x-amz-mp-parts-count': String(object.parts) }),
    // Objects share their origin with the console, so an uploaded page must not run as part of it.
    'content-security-policy': 'sandbox',
    'x-content-type-options': 'nosniff',
  };
  return { status: range === null ? 200 : 206, headers, range: { start, end } };
}

/** The byte range of a part as it was uploaded; null if no part is requested. */
function partOf({ pieces = [], bytes }: S3Object & Partial<OpenObject>, number: string | null): ByteRange | null {
  if (number === null) return null;
  const index = /^\d{1,5}$/.test(number) ? Number(number) - 1 : -1;
  const piece = pieces[index];
  if (piece === undefined || bytes === 0)
    throw new AwsError('InvalidPartNumber', 'The requested partnumber is not satisfiable', { httpStatus: 416 });
  const start = pieces.slice(0, index).reduce((sum, each) => sum + each.bytes, 0);
  return { start, end: start + piece.bytes };
}

/** A Range with If-Range applies only if the object is still the one that the client started to read. */
function isRangeApplicable({ etag, modifiedAtMs }: S3Object, ifRange: string | string[] | undefined): boolean {
  return ifRange === undefined || ifRange === quoted(etag) || ifRange === new Date(modifiedAtMs).toUTCString();
}

/** Response headers that the query overrides: `response-content-type=text/plain`. */
function overrides(query: URLSearchParams): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of ['content-type', 'content-language', 'expires', 'cache-control', 'content-disposition', 'content-encoding']) {
    const value = query.get(`response-${name}`);
    if (value === null) continue;
    const bytes = Buffer.from(value).toString('latin1'); // Encoded as node:http expects header values.
    if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(bytes)) throw s3Error('InvalidArgument', `response-${name} is not a valid header value.`);
    headers[name] = bytes;
  }
  return headers;
}
