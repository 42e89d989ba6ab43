/** Multipart upload operations. */
import { element } from '../../wire/xml.ts';
import { bareEtag, judgeConditions, rangeOf, writeCondition } from '../objects/conditions.ts';
import { type ChosenPart, partNumberMax, type UploadName } from '../objects/uploads.ts';
import { requireReadable } from '../s3-actions.ts';
import { s3Error } from '../s3-errors.ts';
import {
  bodyOf,
  checksumElements,
  checksumHeaders,
  countOf,
  keyWriter,
  quoted,
  readDocument,
  type S3Call,
  sendEmpty,
  sendXml,
} from './call.ts';
import { copySource } from './copy-source.ts';
import { checkContentLength, sentChecksums } from './object-operations.ts';
import { objectHeaders } from './request-headers.ts';
import { childText, type XmlNode } from './xml-document.ts';

const listedMax = 1000;

/** The headers of the future object belong to the upload; its bytes come with the parts. */
export async function createMultipartUpload(call: S3Call): Promise<void> {
  const { store, bucket, key, request } = call;
  store.checkWritable(bucket);
  const { id } = await store.uploads.create(bucket, key, { ...objectHeaders(request.headers), writer: request.caller.keyId });
  // Clients expect the checksum settings back, but any checksum is accepted per part.
  const echoed = ['x-amz-checksum-algorithm', 'x-amz-checksum-type'].flatMap((name): [string, string][] => {
    const value = request.headers[name];
    return typeof value === 'string' ? [[name, value]] : [];
  });
  const names = [element('Bucket', bucket), element('Key', key), element('UploadId', id)];
  sendXml(call, 'InitiateMultipartUploadResult', names, Object.fromEntries(echoed));
}

/** Stores one part. Its entity tag is the MD5 of its bytes. */
export async function uploadPart(call: S3Call): Promise<void> {
  const { store } = call;
  const number = partNumber(call);
  checkContentLength(call);
  const part = await store.uploads.putPart(uploadName(call), number, bodyOf(call), {
    checksums: () => sentChecksums(call),
    writer: call.request.caller.keyId,
  });
  sendEmpty(call, 200, { etag: quoted(part.md5), ...checksumHeaders(part.checksums) });
}

/** UploadPartCopy: a part copied from an object or a range of it. */
export async function uploadPartCopy(call: S3Call): Promise<void> {
  const { store, request } = call;
  const number = partNumber(call);
  const from = copySource(request.headers);
  const source = await store.open(from.bucket, from.key);
  if (source === null) throw s3Error((await store.bucket(from.bucket)) === null ? 'NoSuchBucket' : 'NoSuchKey');
  try {
    requireReadable(request.caller, source, 'UploadPartCopy');
    // A part has no origin, so the copy would lose the restriction on who may read it: see s3-actions.ts.
    if (source.headers.origin !== undefined)
      throw s3Error('InvalidRequest', 'The source was written by the server: copy it as a whole, with CopyObject.');
    if (judgeConditions(source, request.headers, 'x-amz-copy-source-') !== 'holds') throw s3Error('PreconditionFailed');
    const requested = request.headers['x-amz-copy-source-range'];
    const range = requested === undefined ? null : rangeOf(String(requested), source.bytes);
    if (requested !== undefined && range === null)
      throw s3Error('InvalidArgument', 'The x-amz-copy-source-range value must be of the form bytes=first-last');
    const part = await store.uploads.putPart(uploadName(call), number, source.stream(range ?? undefined), { writer: request.caller.keyId });
    sendXml(call, 'CopyPartResult', [element('LastModified', new Date(part.storedAtMs)), element('ETag', quoted(part.md5))]);
  } finally {
    source.close();
  }
}

/** Makes the chosen parts one object. */
export async function completeMultipartUpload(call: S3Call): Promise<void> {
  const { store, bucket, key, request } = call;
  const root = await readDocument(call, 'CompleteMultipartUpload');
  const chosen = root.children.filter(({ name }) => name === 'Part').map(chosenPart);
  if (chosen.length === 0 || chosen.length > partNumberMax) throw s3Error('MalformedXML', `Expected 1 to ${partNumberMax} parts.`);
  const object = await store.uploads.complete(uploadName(call), chosen, {
    condition: writeCondition(request.headers),
    writer: request.caller.keyId,
  });
  const location = `http://${request.headers.host ?? 'localhost'}/${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`;
  sendXml(call, 'CompleteMultipartUploadResult', [
    element('Location', location),
    element('Bucket', bucket),
    element('Key', key),
    element('ETag', quoted(object.etag)),
  ]);
}

export async function abortMultipartUpload(call: S3Call): Promise<void> {
  await call.store.uploads.abort(uploadName(call));
  sendEmpty(call, 204);
}

/** The stored parts of an upload after `part-number-marker`. */
export async function listParts(call: S3Call): Promise<void> {
  const { write, type } = keyWriter(call);
  const partsMax = countOf(call, 'max-parts', listedMax);
  const after = countOf(call, 'part-number-marker', partNumberMax);
  const marker = call.request.query.has('part-number-marker') ? after : 0;
  const name = uploadName(call);
  const parts = await call.store.uploads.parts(name, marker, partsMax + 1);
  const shown = parts.slice(0, partsMax);
  sendXml(call, 'ListPartsResult', [
    element('Bucket', name.bucket),
    element('Key', write(name.key)),
    element('UploadId', name.id),
    type === null ? null : element('EncodingType', type),
    element('PartNumberMarker', marker),
    element('NextPartNumberMarker', shown.at(-1)?.position ?? 0),
    element('MaxParts', partsMax),
    element('IsTruncated', parts.length > shown.length),
    element('StorageClass', 'STANDARD'),
    shown.map(({ position, md5, bytes, checksums, storedAtMs }) =>
      element('Part', [
        element('PartNumber', position),
        element('LastModified', new Date(storedAtMs)),
        element('ETag', quoted(md5)),
        element('Size', bytes),
        checksumElements(checksums),
      ]),
    ),
  ]);
}

/** The uploads of a bucket by key and id. A delimiter is rejected. */
export async function listMultipartUploads(call: S3Call): Promise<void> {
  const { query } = call.request;
  if ((query.get('delimiter') ?? '') !== '') throw s3Error('NotImplemented', 'Uploads are listed without a delimiter.');
  if ((await call.store.bucket(call.bucket)) === null) throw s3Error('NoSuchBucket');
  const { write, type } = keyWriter(call);
  const uploadsMax = countOf(call, 'max-uploads', listedMax);
  const prefix = query.get('prefix') ?? '';
  const after = { key: query.get('key-marker') ?? '', id: query.get('upload-id-marker') ?? '' };
  const uploads = await call.store.uploads.list(call.bucket, prefix, after, uploadsMax + 1);
  const shown = uploads.slice(0, uploadsMax);
  const isTruncated = uploads.length > shown.length;
  const last = shown.at(-1);
  sendXml(call, 'ListMultipartUploadsResult', [
    element('Bucket', call.bucket),
    element('KeyMarker', write(after.key)),
    element('UploadIdMarker', after.id),
    isTruncated && last !== undefined ? [element('NextKeyMarker', write(last.key)), element('NextUploadIdMarker', last.id)] : null,
    element('Prefix', write(prefix)),
    type === null ? null : element('EncodingType', type),
    element('MaxUploads', uploadsMax),
    element('IsTruncated', isTruncated),
    shown.map(({ id, key, createdAtMs }) =>
      element('Upload', [
        element('Key', write(key)),
        element('UploadId', id),
        element('StorageClass', 'STANDARD'),
        element('Initiated', new Date(createdAtMs)),
      ]),
    ),
  ]);
}

function uploadName({ bucket, key, request }: S3Call): UploadName {
  return { bucket, key, id: request.query.get('uploadId') ?? '' };
}

function partNumber({ request }: S3Call): number {
  const text = request.query.get('partNumber') ?? '';
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= partNumberMax) return number;
  throw s3Error('InvalidArgument', `Part number must be an integer between 1 and ${partNumberMax}, inclusive`);
}

function chosenPart(part: XmlNode): ChosenPart {
  const number = Number(childText(part, 'PartNumber')?.trim());
  const etag = childText(part, 'ETag');
  if (!Number.isInteger(number) || number < 1 || number > partNumberMax || etag === undefined) throw s3Error('MalformedXML');
  const checksums = part.children.flatMap(({ name, text }): [string, string][] => {
    return name.startsWith('Checksum') && name !== 'ChecksumType' ? [[name.slice('Checksum'.length).toLowerCase(), text.trim()]] : [];
  });
  return { number, etag: bareEtag(etag), checksums: Object.fromEntries(checksums) };
}
