/**
 * Percent-encoding as signatures require it. Texts are binary strings, one character per byte, as node:http provides paths and headers.
 * Bytes that are not UTF-8 are therefore preserved.
 */

const plain = /^[A-Za-z0-9\-_.~]*$/;
const plainPath = /^[A-Za-z0-9\-_.~/]*$/;
const encoded = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  return plain.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
});

/** Encodes all bytes except `A-Z a-z 0-9 - _ . ~` as `%XX`. */
export function percentEncode(binary: string): string {
  if (plain.test(binary)) return binary;
  let text = '';
  for (let i = 0; i < binary.length; i++) text += encoded[binary.charCodeAt(i) & 0xff] as string;
  return text;
}

/** Leaves everything except `%XX` unchanged, including `+`. */
export function percentDecode(text: string): string {
  if (!text.includes('%')) return text;
  return text.replaceAll(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** The path of a canonical request, with each segment percent-encoded as received. S3 decodes segments first. */
export function canonicalPath(path: string, isDecodedFirst: boolean): string {
  if (plainPath.test(path)) return path;
  return path
    .split('/')
    .map((segment) => percentEncode(isDecodedFirst ? percentDecode(segment) : segment))
    .join('/');
}

/** A query parameter. Texts are binary strings. */
export type Pair = readonly [name: string, value: string];

/** The decoded parameters of a query, in order of arrival. */
export function queryPairs(query: string): Pair[] {
  if (query === '') return [];
  return query.split('&').flatMap((part): Pair[] => {
    if (part === '') return [];
    const equals = part.indexOf('=');
    return equals === -1 ? [[percentDecode(part), '']] : [[percentDecode(part.slice(0, equals)), percentDecode(part.slice(equals + 1))]];
  });
}

/** Encoded, sorted by name and then by value. */
export function canonicalQuery(pairs: readonly Pair[]): string {
  if (pairs.length === 0) return '';
  const texts = pairs.map(([name, value]): Pair => [percentEncode(name), percentEncode(value)]);
  texts.sort((a, b) => compare(a[0], b[0]) || compare(a[1], b[1]));
  return texts.map(([name, value]) => `${name}=${value}`).join('&');
}

/** Decodes the bytes of a binary string as UTF-8. */
export function utf8Of(binary: string): string {
  return plain.test(binary) ? binary : Buffer.from(binary, 'latin1').toString('utf8');
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
