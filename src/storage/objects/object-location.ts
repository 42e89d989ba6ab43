/** Reads `--objects`: where the objects of an installation are. Pure. */
import { PlatformError } from '../../errors.ts';
import type { S3Location } from './s3-blobs.ts';

/** `folder` is the data directory. Changing it later takes `penstock migrate`. */
export type ObjectLocation = { readonly kind: 'folder' } | { readonly kind: 'postgres' } | ({ readonly kind: 's3' } & S3Location);

const expected = 's3://BUCKET/PREFIX, s3://BUCKET/PREFIX?endpoint=https://HOST:PORT&region=NAME, or postgres';

/** Null is the folders of the data directory. Throws `invalid_request`. */
export function parseObjectLocation(text: string | null): ObjectLocation {
  if (text === null) return { kind: 'folder' };
  if (text === 'postgres') return { kind: 'postgres' };
  const invalid = new PlatformError('invalid_request', `--objects: expected ${expected}, got ${text.slice(0, 200)}`);
  const url = URL.parse(text);
  if (url?.protocol !== 's3:' || url.hostname === '' || url.username !== '' || url.hash !== '') throw invalid;
  for (const name of url.searchParams.keys()) if (name !== 'endpoint' && name !== 'region') throw invalid;
  const endpoint = url.searchParams.get('endpoint');
  if (endpoint !== null && !/^https?:$/.test(URL.parse(endpoint)?.protocol ?? '')) throw invalid;
  let prefix: string;
  try {
    prefix = decodeURIComponent(url.pathname).replace(/^\/+|\/+$/g, '');
  } catch {
    throw invalid; // `%` without digits.
  }
  return { kind: 's3', bucket: url.hostname, prefix, endpoint, region: url.searchParams.get('region') };
}

/** One text for each place, as the database stores it; null for folders. */
export function objectPlaceOf(location: ObjectLocation): string | null {
  if (location.kind === 'folder') return null;
  if (location.kind === 'postgres') return 'postgres';
  const { bucket, prefix, endpoint, region } = location;
  const at = [...(endpoint === null ? [] : [`endpoint=${endpoint.replace(/\/+$/, '')}`]), ...(region === null ? [] : [`region=${region}`])];
  return `s3://${bucket}${prefix === '' ? '' : `/${encodeURI(prefix)}`}${at.length === 0 ? '' : `?${at.join('&')}`}`;
}
