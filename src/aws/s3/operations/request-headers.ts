/** Parses the headers of a write that are stored with the object. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Checksums, ObjectHeaders } from '../objects/object.ts';
import { s3Error } from '../s3-errors.ts';

const metadataPrefix = 'x-amz-meta-';
const checksumPrefix = 'x-amz-checksum-';
/** Limit for all names and values together. */
const metadataBytesMax = 2048;
const headerBytesMax = 4096;

/** Headers that are rejected, because ignoring them would mislead the client. */
const unsupported =
  /^x-amz-(?:server-side-encryption-customer-|object-lock-|website-redirect-location$|tagging$|grant-|copy-source-server-side-)/;

/** Throws `MetadataTooLarge`, or `NotImplemented` for headers that request an unsupported feature. */
export function objectHeaders(headers: IncomingHttpHeaders): ObjectHeaders {
  const metadata: Record<string, string> = {};
  let metadataBytes = 0;
  for (const [name, value] of Object.entries(headers)) {
    if (unsupported.test(name)) throw s3Error('NotImplemented', `The header ${name} implies functionality that is not implemented.`);
    if (!name.startsWith(metadataPrefix)) continue;
    const key = name.slice(metadataPrefix.length);
    metadata[key] = String(value);
    metadataBytes += key.length + String(value).length; // node:http provides one character per byte.
  }
  if (metadataBytes > metadataBytesMax) throw s3Error('MetadataTooLarge');
  return {
    ...headerField('contentType', headers['content-type']),
    ...headerField('contentEncoding', withoutChunking(headers['content-encoding'])),
    ...headerField('contentDisposition', headers['content-disposition']),
    ...headerField('contentLanguage', headers['content-language']),
    ...headerField('cacheControl', headers['cache-control']),
    ...headerField('expires', headers.expires),
    ...(metadataBytes === 0 && Object.keys(metadata).length === 0 ? {} : { metadata }),
  };
}

function headerField<Name extends string>(name: Name, value: string | undefined): Partial<Record<Name, string>> {
  if (value === undefined || value === '') return {};
  if (value.length > headerBytesMax) throw s3Error('InvalidArgument', `A header exceeds ${headerBytesMax} bytes.`);
  return { [name]: value } as Partial<Record<Name, string>>;
}

/** aws-chunked is a transfer encoding, not a property of the content. */
function withoutChunking(encoding: string | undefined): string | undefined {
  return encoding
    ?.split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '' && each.toLowerCase() !== 'aws-chunked')
    .join(',');
}

/** Keyed by algorithm: `x-amz-checksum-crc32: NhCmhg==` becomes `{crc32: 'NhCmhg=='}`. */
export function checksumsOf(headers: Readonly<Record<string, string | string[] | undefined>>): Checksums {
  const checksums: Record<string, string> = {};
  for (const algorithm of ['crc32', 'crc32c', 'crc64nvme', 'sha1', 'sha256']) {
    const value = headers[checksumPrefix + algorithm];
    if (typeof value === 'string') checksums[algorithm] = value;
  }
  return checksums;
}
