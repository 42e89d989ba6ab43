/** Where a copy comes from: the header `x-amz-copy-source`. */
import type { IncomingHttpHeaders } from 'node:http';
import { checkKey } from './names.ts';
import { refusal } from './s3-errors.ts';
import type { ObjectName } from './store.ts';

/** `bucket/key` or `/bucket/key`, percent-encoded or not. Throws `InvalidArgument`. */
export function copySource(headers: IncomingHttpHeaders): ObjectName {
  const [path = '', query] = String(headers['x-amz-copy-source'] ?? '').split('?');
  if (query !== undefined && query !== 'versionId=null') throw refusal('NotImplemented', 'Versions of objects are not kept.');
  const decoded = decode(path).replace(/^\//, '');
  const slash = decoded.indexOf('/');
  if (slash < 1 || slash === decoded.length - 1)
    throw refusal('InvalidArgument', 'Copy Source must mention the source bucket and key: bucket/key');
  const key = decoded.slice(slash + 1);
  checkKey(key);
  return { bucket: decoded.slice(0, slash), key };
}

function decode(path: string): string {
  // node:http gives a character for each byte; not every client encodes what is not ASCII.
  const text = Buffer.from(path, 'latin1').toString();
  try {
    return decodeURIComponent(text);
  } catch {
    throw refusal('InvalidArgument', 'Copy Source is not encoded as it should be.');
  }
}
