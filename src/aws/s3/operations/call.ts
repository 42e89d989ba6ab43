/** One S3 request, and functions that read and answer it. */
import type { ServerResponse } from 'node:http';
import type { VerifiedRequest } from '../../service.ts';
import { element, writeXml, type XmlContent, xmlDeclaration } from '../../wire/xml.ts';
import { contentTypeDefault, type S3Object } from '../objects/object.ts';
import type { S3Store } from '../objects/store.ts';
import { s3Error } from '../s3-errors.ts';
import { readXml, type XmlNode } from './xml-document.ts';

/** One request, after its signature and the caller's permission were checked. */
export interface S3Call {
  readonly request: VerifiedRequest;
  readonly response: ServerResponse;
  readonly store: S3Store;
  /** Empty if the request names no bucket. */
  readonly bucket: string;
  /** Empty if the request names no key. */
  readonly key: string;
}

/** Sends the response itself, or throws an error that the service encodes. */
export type S3Operation = (call: S3Call) => Promise<void>;

const xmlns = 'http://s3.amazonaws.com/doc/2006-03-01/';
/** Enough for 10,000 parts with checksums, or 1000 keys of 1024 bytes with few escapes. */
const xmlBytesMax = 4 * 2 ** 20;

/** Sends status 200 with an XML document. */
export function sendXml(call: S3Call, name: string, content: XmlContent, headers: Record<string, string> = {}): void {
  sendXmlText(call, xmlDeclaration + writeXml(element(name, content, xmlns)), headers);
}

/** The same for a document that was checked and stored as text. */
export function sendXmlText({ response }: S3Call, text: string, headers: Record<string, string> = {}): void {
  const body = Buffer.from(text);
  response.writeHead(200, { ...headers, 'content-type': 'application/xml', 'content-length': body.length });
  response.end(body);
}

/** Ends the response without a body. */
export function sendEmpty({ request, response }: S3Call, status: number, headers: Record<string, string> = {}): void {
  // A 204 has no content-length. For HEAD, `headers` already holds the length of the corresponding GET.
  const length = status === 200 && request.method !== 'HEAD' ? { 'content-length': '0' } : {};
  response.writeHead(status, { ...length, ...headers });
  response.end();
}

/** Parses the body as an XML document with this root element. Throws `MalformedXML` or `too_large`. */
export async function readDocument({ request }: S3Call, name: string): Promise<XmlNode> {
  return rootOf(await request.readBody(xmlBytesMax), name);
}

/** Parses bytes as an XML document with this root element. Throws `MalformedXML`. */
export function rootOf(bytes: Uint8Array, name: string): XmlNode {
  const root = readXml(bytes);
  if (root.name !== name) throw s3Error('MalformedXML', `Expected the element ${name}, got ${root.name.slice(0, 64)}.`);
  return root;
}

/** Opens the body on first use. A body that fails before it has a listener would end the process. */
export async function* bodyOf({ request }: S3Call): AsyncGenerator<Uint8Array> {
  yield* request.body as AsyncIterable<Uint8Array>;
}

/** The headers stored with the object. Values are binary strings, as node:http expects. */
export function headersOf(object: S3Object): Record<string, string> {
  const { headers, etag, modifiedAtMs } = object;
  const all: Record<string, string | undefined> = {
    'content-type': headers.contentType ?? contentTypeDefault,
    'content-encoding': headers.contentEncoding,
    'content-disposition': headers.contentDisposition,
    'content-language': headers.contentLanguage,
    'cache-control': headers.cacheControl,
    expires: headers.expires,
    etag: quoted(etag),
    'last-modified': new Date(modifiedAtMs).toUTCString(),
  };
  for (const [name, value] of Object.entries(headers.metadata ?? {})) all[`x-amz-meta-${name}`] = value;
  return Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** Turns `{crc32: '…'}` into response headers. */
export function checksumHeaders(checksums: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries(checksums).map(([algorithm, value]): [string, string] => [`x-amz-checksum-${algorithm}`, value]);
  return entries.length === 0 ? {} : { ...Object.fromEntries(entries), 'x-amz-checksum-type': 'FULL_OBJECT' };
}

/** Turns `{crc32: '…'}` into elements such as `ChecksumCRC32`. */
export function checksumElements(checksums: Readonly<Record<string, string>>): XmlContent {
  return Object.entries(checksums).map(([algorithm, value]) => element(`Checksum${algorithm.toUpperCase()}`, value));
}

/** Entity tags are stored without quotes, and sent in quotes. */
export function quoted(etag: string): string {
  return `"${etag}"`;
}

/** An integer query parameter of at least 0, capped at `most`. Throws `InvalidArgument`. */
export function countOf({ request }: S3Call, name: string, most: number): number {
  const text = request.query.get(name);
  if (text === null || text === '') return most;
  if (!/^\d{1,10}$/.test(text)) throw s3Error('InvalidArgument', `Argument ${name} must be an integer between 0 and 2147483647`);
  return Math.min(Number(text), most);
}

/**
 * Writes keys unchanged, or percent-encoded if the client requests it, because XML cannot represent every character. Throws
 * `InvalidArgument` for any other encoding.
 */
export function keyWriter({ request }: S3Call): { readonly write: (key: string) => string; readonly type: 'url' | null } {
  const type = request.query.get('encoding-type');
  if (type === null || type === '') return { write: (key) => key, type: null };
  if (type !== 'url') throw s3Error('InvalidArgument', 'Invalid Encoding Method specified in Request');
  const write = (key: string): string =>
    encodeURIComponent(key.toWellFormed())
      .replaceAll(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
      .replaceAll('%2F', '/');
  return { write, type };
}
