/** What the headers of a write say of the object. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Checksums, ObjectHeaders } from './object.ts';
import { refusal } from './s3-errors.ts';

const metadataPrefix = 'x-amz-meta-';
const checksumPrefix = 'x-amz-checksum-';
/** Names and values together. */
const metadataBytesMax = 2048;
const headerBytesMax = 4096;

/** What a client must not believe to have happened. */
const unsupported =
  /^x-amz-(?:server-side-encryption-customer-|object-lock-|website-redirect-location$|tagging$|grant-|copy-source-server-side-)/;

/** Throws `MetadataTooLarge`, `NotImplemented` for headers whose promise nobody keeps. */
export function objectHeaders(headers: IncomingHttpHeaders): ObjectHeaders {
  const metadata: Record<string, string> = {};
  let metadataBytes = 0;
  for (const [name, value] of Object.entries(headers)) {
    if (unsupported.test(name)) throw refusal('NotImplemented', `The header ${name} implies functionality that is not implemented.`);
    if (!name.startsWith(metadataPrefix)) continue;
    const key = name.slice(metadataPrefix.length);
    metadata[key] = String(value);
    metadataBytes += key.length + String(value).length; // node:http gives a character for each byte
  }
  if (metadataBytes > metadataBytesMax) throw refusal('MetadataTooLarge');
  return {
    ...kept('contentType', headers['content-type']),
    ...kept('contentEncoding', withoutChunking(headers['content-encoding'])),
    ...kept('contentDisposition', headers['content-disposition']),
    ...kept('contentLanguage', headers['content-language']),
    ...kept('cacheControl', headers['cache-control']),
    ...kept('expires', headers.expires),
    ...(metadataBytes === 0 && Object.keys(metadata).length === 0 ? {} : { metadata }),
  };
}

function kept<Name extends string>(name: Name, value: string | undefined): Partial<Record<Name, string>> {
  if (value === undefined || value === '') return {};
  if (value.length > headerBytesMax) throw refusal('InvalidArgument', `A header of more than ${headerBytesMax} bytes cannot be kept.`);
  return { [name]: value } as Partial<Record<Name, string>>;
}

/** aws-chunked is how the body travelled, not what it is. */
function withoutChunking(encoding: string | undefined): string | undefined {
  return encoding
    ?.split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '' && each.toLowerCase() !== 'aws-chunked')
    .join(',');
}

/** By algorithm: `x-amz-checksum-crc32: NhCmhg==` is `{crc32: 'NhCmhg=='}`. */
export function checksumsOf(headers: Readonly<Record<string, string | string[] | undefined>>): Checksums {
  const checksums: Record<string, string> = {};
  for (const algorithm of ['crc32', 'crc32c', 'crc64nvme', 'sha1', 'sha256']) {
    const value = headers[checksumPrefix + algorithm];
    if (typeof value === 'string') checksums[algorithm] = value;
  }
  return checksums;
}
