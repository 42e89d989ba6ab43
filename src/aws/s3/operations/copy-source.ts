/** Parses the source of a copy, the header `x-amz-copy-source`. */
import type { IncomingHttpHeaders } from 'node:http';
import { checkKey } from '../buckets/bucket-name.ts';
import type { ObjectName } from '../objects/store.ts';
import { s3Error } from '../s3-errors.ts';

/** `bucket/key` or `/bucket/key`, percent-encoded or not. Throws `InvalidArgument`. */
export function copySource(headers: IncomingHttpHeaders): ObjectName {
  const [path = '', query] = String(headers['x-amz-copy-source'] ?? '').split('?');
  if (query !== undefined && query !== 'versionId=null') throw s3Error('NotImplemented', 'Object versions are not supported.');
  const decoded = decode(path).replace(/^\//, '');
  const slash = decoded.indexOf('/');
  if (slash < 1 || slash === decoded.length - 1)
    throw s3Error('InvalidArgument', 'Copy Source must mention the source bucket and key: bucket/key');
  const key = decoded.slice(slash + 1);
  checkKey(key);
  return { bucket: decoded.slice(0, slash), key };
}

function decode(path: string): string {
  // node:http provides one character per byte, and some clients do not percent-encode non-ASCII characters.
  const text = Buffer.from(path, 'latin1').toString();
  try {
    return decodeURIComponent(text);
  } catch {
    throw s3Error('InvalidArgument', 'Copy Source is not valid percent-encoded UTF-8.');
  }
}
