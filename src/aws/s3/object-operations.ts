/** What is asked of objects: put, read, copied, deleted. */
import { pipeline } from 'node:stream/promises';
import { AwsError } from '../service.ts';
import { element } from '../wire/xml.ts';
import { bodyOf, checksumHeaders, headersOf, quoted, type S3Call, sendEmpty, sendXml } from './call.ts';
import { judgeConditions, rangeOf, writeCondition } from './conditions.ts';
import { copySource } from './copy-source.ts';
import type { ByteRange, S3Object } from './object.ts';
import type { OpenObject } from './open-object.ts';
import { checksumsOf, objectHeaders } from './request-headers.ts';
import { refusal } from './s3-errors.ts';

export async function putObject(call: S3Call): Promise<void> {
  const { request, store, bucket, key } = call;
  const headers = objectHeaders(request.headers);
  const condition = writeCondition(request.headers);
  refuseTooLarge(call);
  const object = await store.put(bucket, key, bodyOf(call), { headers, condition, checksums: () => sentChecksums(call) });
  sendEmpty(call, 200, { etag: quoted(object.etag), ...checksumHeaders(object.checksums) });
}

export async function getObject(call: S3Call): Promise<void> {
  const { response } = call;
  const object = await call.store.open(call.bucket, call.key);
  if (object === null) throw await missing(call);
  try {
    const reading = readingOf(call, object);
    if (reading === 'not-modified') {
      sendEmpty(call, 304, { etag: quoted(object.etag), 'last-modified': new Date(object.modifiedAtMs).toUTCString() });
      return;
    }
    response.writeHead(reading.status, reading.headers);
    await pipeline(object.stream(reading.range), response).catch((error: unknown) => {
      if (!isClientGone(error)) throw error;
    });
  } finally {
    object.close();
  }
}

export async function headObject(call: S3Call): Promise<void> {
  const object = await (call.request.query.has('partNumber')
    ? call.store.open(call.bucket, call.key)
    : call.store.head(call.bucket, call.key));
  if (object === null) throw await missing(call);
  try {
    const reading = readingOf(call, object);
    if (reading === 'not-modified') sendEmpty(call, 304, { etag: quoted(object.etag) });
    else sendEmpty(call, reading.status, reading.headers);
  } finally {
    if ('close' in object) (object as OpenObject).close();
  }
}

/** Nobody hears the rest; that is no failure of ours. */
function isClientGone(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ECONNRESET' || code === 'EPIPE';
}

/** Also where there was nothing: who deletes twice has deleted. */
export async function deleteObject(call: S3Call): Promise<void> {
  await call.store.delete(call.bucket, call.key);
  sendEmpty(call, 204);
}

export async function copyObject(call: S3Call): Promise<void> {
  const { request, store, bucket, key } = call;
  const directive = request.headers['x-amz-metadata-directive'] ?? 'COPY';
  if (directive !== 'COPY' && directive !== 'REPLACE') throw refusal('InvalidArgument', 'Unknown metadata directive.');
  const from = copySource(request.headers);
  if (directive === 'COPY' && from.bucket === bucket && from.key === key) {
    throw refusal(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    );
  }
  const given = objectHeaders(request.headers);
  const headers = directive === 'REPLACE' ? given : undefined;
  const judge = (source: S3Object): void => {
    if (judgeConditions(source, request.headers, 'x-amz-copy-source-') !== 'holds') throw refusal('PreconditionFailed');
  };
  const object = await store.copy(from, { bucket, key }, { headers, judge, condition: writeCondition(request.headers) });
  sendXml(call, 'CopyObjectResult', [element('LastModified', new Date(object.modifiedAtMs)), element('ETag', quoted(object.etag))]);
}

/** Objects bear no tags; clients that copy ask for them. */
export async function getObjectTagging(call: S3Call): Promise<void> {
  if ((await call.store.head(call.bucket, call.key)) === null) throw await missing(call);
  sendXml(call, 'Tagging', element('TagSet', null));
}

/** Checksums of the body's bytes, in front of it or behind it; the door has compared them. */
export function sentChecksums({ request }: S3Call) {
  return checksumsOf({ ...request.headers, ...request.trailers() });
}

/** Before a byte of it is read. */
export function refuseTooLarge({ request, store }: S3Call): void {
  if (request.contentLength !== null && request.contentLength > store.objectBytesMax) throw refusal('EntityTooLarge');
}

/** Whether it is the key or the bucket that is missing. */
async function missing({ store, bucket, key }: S3Call): Promise<AwsError> {
  if ((await store.bucket(bucket)) === null) return refusal('NoSuchBucket');
  const { code, message, httpStatus } = refusal('NoSuchKey');
  return new AwsError(code, message, { httpStatus, members: { Key: key } });
}

interface Reading {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly range: ByteRange;
}

/** What a reader gets. Throws `PreconditionFailed`, `InvalidRange`. */
function readingOf({ request }: S3Call, object: S3Object & Partial<OpenObject>): Reading | 'not-modified' {
  const judged = judgeConditions(object, request.headers);
  if (judged === 'fails') throw refusal('PreconditionFailed');
  if (judged === 'not-modified') return judged;
  const part = partOf(object, request.query.get('partNumber'));
  const range = part ?? (isRangeMeant(object, request.headers['if-range']) ? rangeOf(request.headers.range, object.bytes) : null);
  const { start, end } = range ?? { start: 0, end: object.bytes };
  const isAsked = request.headers['x-amz-checksum-mode']?.toString().toUpperCase() === 'ENABLED';
  const headers = {
    ...headersOf(object),
    ...overrides(request.query),
    'accept-ranges': 'bytes',
    'content-length': String(end - start),
    ...(range === null ? {} : { 'content-range': `bytes ${start}-${end - 1}/${object.bytes}` }),
    ...(range === null && isAsked ? checksumHeaders(object.checksums) : {}),
    ...(part === null || object.parts === null ? {} : { 'x-amz-mp-parts-count': String(object.parts) }),
    // It comes from the origin of the console: a page that somebody put here must not act in the console's name.
    'content-security-policy': 'sandbox',
    'x-content-type-options': 'nosniff',
  };
  return { status: range === null ? 200 : 206, headers, range: { start, end } };
}

/** The bytes of the part of that number, as it was uploaded; null where none is asked for. */
function partOf({ pieces = [], bytes }: S3Object & Partial<OpenObject>, number: string | null): ByteRange | null {
  if (number === null) return null;
  const index = /^\d{1,5}$/.test(number) ? Number(number) - 1 : -1;
  const piece = pieces[index];
  if (piece === undefined || bytes === 0)
    throw new AwsError('InvalidPartNumber', 'The requested partnumber is not satisfiable', { httpStatus: 416 });
  const start = pieces.slice(0, index).reduce((sum, each) => sum + each.bytes, 0);
  return { start, end: start + piece.bytes };
}

/** A range is meant only for the object that the client has begun to read. */
function isRangeMeant({ etag, modifiedAtMs }: S3Object, ifRange: string | string[] | undefined): boolean {
  return ifRange === undefined || ifRange === quoted(etag) || ifRange === new Date(modifiedAtMs).toUTCString();
}

/** `response-content-type=text/plain`: so the answer is to be labelled. */
function overrides(query: URLSearchParams): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of ['content-type', 'content-language', 'expires', 'cache-control', 'content-disposition', 'content-encoding']) {
    const value = query.get(`response-${name}`);
    if (value === null) continue;
    const bytes = Buffer.from(value).toString('latin1'); // as headers are written
    if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(bytes)) throw refusal('InvalidArgument', `response-${name} cannot be a header.`);
    headers[name] = bytes;
  }
  return headers;
}
