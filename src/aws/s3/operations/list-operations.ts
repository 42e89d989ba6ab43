/** ListObjects, versions 1 and 2. */
import { element, exactElement, type XmlContent } from '../../wire/xml.ts';
import { afterPrefix, type Listing, type ListPosition } from '../objects/listing.ts';
import { s3Error } from '../s3-errors.ts';
import { countOf, keyWriter, quoted, type S3Call, sendXml } from './call.ts';

const keysMax = 1000;

/** Continues at a token, which says exactly where the last page ended. */
export async function listObjectsV2(call: S3Call): Promise<void> {
  const { query } = call.request;
  const [token, startAfter] = [query.get('continuation-token'), query.get('start-after')];
  const from = token === null ? positionBehind(call, startAfter) : positionOf(token);
  const { listing, common, write } = await list(call, from);
  const owner = query.get('fetch-owner') === 'true';
  sendXml(call, 'ListBucketResult', [
    ...common,
    element('KeyCount', listing.objects.length + listing.prefixes.length),
    token === null ? null : element('ContinuationToken', token),
    listing.next === null ? null : element('NextContinuationToken', tokenOf(listing.next)),
    startAfter === null ? null : element('StartAfter', write(startAfter)),
    contents(call, listing, write, owner),
  ]);
}

/** Continues after a key. `NextMarker` is present without a delimiter, too. */
export async function listObjectsV1(call: S3Call): Promise<void> {
  const marker = call.request.query.get('marker');
  const { listing, common, write } = await list(call, positionBehind(call, marker));
  sendXml(call, 'ListBucketResult', [
    ...common,
    element('Marker', write(marker ?? '')),
    listing.next === null || listing.last === null ? null : exactElement('NextMarker', write(listing.last)),
    contents(call, listing, write, true),
  ]);
}

interface Listed {
  readonly listing: Listing;
  /** Elements that both versions share. */
  readonly common: readonly XmlContent[];
  readonly write: (key: string) => string;
}

async function list(call: S3Call, from: ListPosition | null | undefined): Promise<Listed> {
  const { query } = call.request;
  const { write, type } = keyWriter(call);
  const itemsMax = countOf(call, 'max-keys', keysMax);
  const [prefix, delimiter] = [query.get('prefix') ?? '', query.get('delimiter') ?? ''];
  // Null: the marker is beyond all possible keys.
  const listing = await call.store.list(call.bucket, {
    prefix,
    delimiter,
    from: from ?? undefined,
    itemsMax: from === null ? 0 : itemsMax,
  });
  const common = [
    element('Name', call.bucket),
    element('Prefix', write(prefix)),
    delimiter === '' ? null : element('Delimiter', write(delimiter)),
    element('MaxKeys', itemsMax),
    type === null ? null : element('EncodingType', type),
    element('IsTruncated', listing.next !== null),
  ];
  return { listing, common, write };
}

function contents({ request }: S3Call, { objects, prefixes }: Listing, write: (key: string) => string, withOwner: boolean): XmlContent {
  const owner = withOwner ? element('Owner', [element('ID', request.account), element('DisplayName', request.account)]) : null;
  return [
    objects.map(({ key, bytes, etag, modifiedAtMs }) =>
      element('Contents', [
        exactElement('Key', write(key)),
        element('LastModified', new Date(modifiedAtMs)),
        element('ETag', quoted(etag)),
        element('Size', bytes),
        element('StorageClass', 'STANDARD'),
        owner,
      ]),
    ),
    prefixes.map((prefix) => element('CommonPrefixes', exactElement('Prefix', write(prefix)))),
  ];
}

/** A marker that is a common prefix, as the previous page returned it, skips all keys with this prefix. Null if no key can follow. */
function positionBehind({ request: { query } }: S3Call, marker: string | null): ListPosition | null | undefined {
  if (marker === null || marker === '') return undefined;
  const [prefix, delimiter] = [query.get('prefix') ?? '', query.get('delimiter') ?? ''];
  const isCommonPrefix =
    delimiter !== '' && marker.startsWith(prefix) && marker.indexOf(delimiter, prefix.length) === marker.length - delimiter.length;
  return isCommonPrefix && marker.length > prefix.length ? afterPrefix(marker) : { key: marker, inclusive: false };
}

function tokenOf({ key, inclusive }: ListPosition): string {
  return Buffer.from(JSON.stringify([key, inclusive])).toString('base64url');
}

function positionOf(token: string): ListPosition {
  try {
    const [key, inclusive, ...more] = JSON.parse(Buffer.from(token, 'base64url').toString()) as unknown[];
    if (typeof key === 'string' && key.isWellFormed() && !key.includes('\0') && typeof inclusive === 'boolean' && more.length === 0) {
      return { key, inclusive };
    }
  } catch {
    // Falls through to the error below.
  }
  throw s3Error('InvalidArgument', 'The continuation token provided is incorrect');
}
