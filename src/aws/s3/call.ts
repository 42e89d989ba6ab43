/** One request to S3, and the ways in which it is answered. */
import type { ServerResponse } from 'node:http';
import type { VerifiedRequest } from '../service.ts';
import { element, writeXml, type XmlContent, xmlDeclaration } from '../wire/xml.ts';
import { contentTypeDefault, type S3Object } from './object.ts';
import { refusal } from './s3-errors.ts';
import type { S3Store } from './store.ts';
import { readXml, type XmlNode } from './xml-document.ts';

export interface S3Call {
  readonly request: VerifiedRequest;
  readonly response: ServerResponse;
  readonly store: S3Store;
  /** Empty where none is named. */
  readonly bucket: string;
  /** Empty where none is named. */
  readonly key: string;
}

export type S3Operation = (call: S3Call) => Promise<void>;

const xmlns = 'http://s3.amazonaws.com/doc/2006-03-01/';
/** 10,000 parts with their checksums, or 1000 keys of 1024 bytes of which most need no escape. */
const xmlBytesMax = 4 * 2 ** 20;

export function sendXml({ response }: S3Call, name: string, content: XmlContent, headers: Record<string, string> = {}): void {
  const body = Buffer.from(xmlDeclaration + writeXml(element(name, content, xmlns)));
  response.writeHead(200, { ...headers, 'content-type': 'application/xml', 'content-length': body.length });
  response.end(body);
}

export function sendEmpty({ request, response }: S3Call, status: number, headers: Record<string, string> = {}): void {
  // A 204 has no length; a HEAD's is that of what a GET would send, so it comes with `headers`.
  const length = status === 200 && request.method !== 'HEAD' ? { 'content-length': '0' } : {};
  response.writeHead(status, { ...length, ...headers });
  response.end();
}

/** The body as an XML document whose element has this name. Throws `MalformedXML`, `too_large`. */
export async function readDocument({ request }: S3Call, name: string): Promise<XmlNode> {
  const root = readXml(await request.readBody(xmlBytesMax));
  if (root.name !== name) throw refusal('MalformedXML', `Expected the element ${name}, got ${root.name.slice(0, 64)}.`);
  return root;
}

/**
 * The body, made when it is first asked for: a body that is found wrong before anybody listens would end the process.
 */
export async function* bodyOf({ request }: S3Call): AsyncGenerator<Uint8Array> {
  yield* request.body as AsyncIterable<Uint8Array>;
}

/** The headers under which the object was put. Values are as they came, a character for each byte. */
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

/** `{crc32: '…'}` as headers. */
export function checksumHeaders(checksums: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries(checksums).map(([algorithm, value]): [string, string] => [`x-amz-checksum-${algorithm}`, value]);
  return entries.length === 0 ? {} : { ...Object.fromEntries(entries), 'x-amz-checksum-type': 'FULL_OBJECT' };
}

/** `{crc32: '…'}` as elements: `ChecksumCRC32`. */
export function checksumElements(checksums: Readonly<Record<string, string>>): XmlContent {
  return Object.entries(checksums).map(([algorithm, value]) => element(`Checksum${algorithm.toUpperCase()}`, value));
}

export function quoted(etag: string): string {
  return `"${etag}"`;
}

/** A whole number of the query between 0 and `most`; more means `most`. Throws `InvalidArgument`. */
export function countOf({ request }: S3Call, name: string, most: number): number {
  const text = request.query.get(name);
  if (text === null || text === '') return most;
  if (!/^\d{1,10}$/.test(text)) throw refusal('InvalidArgument', `Argument ${name} must be an integer between 0 and 2147483647`);
  return Math.min(Number(text), most);
}

/**
 * How keys are written: as they are, or percent-encoded where the client asks for it because XML cannot say every
 * character. Throws `InvalidArgument` for another encoding.
 */
export function keyWriter({ request }: S3Call): { readonly write: (key: string) => string; readonly type: 'url' | null } {
  const type = request.query.get('encoding-type');
  if (type === null || type === '') return { write: (key) => key, type: null };
  if (type !== 'url') throw refusal('InvalidArgument', 'Invalid Encoding Method specified in Request');
  const write = (key: string): string =>
    encodeURIComponent(key.toWellFormed())
      .replaceAll(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
      .replaceAll('%2F', '/');
  return { write, type };
}
