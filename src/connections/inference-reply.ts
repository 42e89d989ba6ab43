/** Responses of inferences: exact content types and lengths, the request id, and compression if the client accepts it. */
import type { ServerResponse } from 'node:http';
import { deflate, deflateSync, gzip, gzipSync } from 'node:zlib';
import { releaseBodyMemory } from '../buffer-release.ts';

/** Up to this size, synchronous compression costs less than a handover to another thread. */
const compressAtOnceBytes = 64 * 1024;
/** Level 1 halves numbers as text; higher levels take several times longer for little gain. */
const compression = { level: 1 };

/** The headers that every response has, as alternating names and values. */
export function replyHeaders(requestId: string, contentType: string): string[] {
  return ['content-type', contentType, 'x-content-type-options', 'nosniff', 'x-request-id', requestId];
}

/** Sends the JSON of an inference, followed by its binary outputs if any. Appends to `headers`. */
export function sendInference(
  response: ServerResponse,
  headers: string[],
  json: string,
  binary: readonly Uint8Array[] | null,
  encoding: 'gzip' | 'deflate' | null,
): void {
  const jsonBytes = Buffer.byteLength(json);
  if (binary !== null) headers.push('inference-header-content-length', String(jsonBytes));
  if (encoding !== null) {
    sendCompressed(response, headers, Buffer.concat([Buffer.from(json), ...(binary ?? [])]), encoding);
    return;
  }
  if (binary === null) {
    headers.push('content-length', String(jsonBytes));
    response.writeHead(200, headers);
    // ASCII only: latin1 needs no encoding.
    response.end(json, jsonBytes === json.length ? 'latin1' : 'utf8');
    return;
  }
  const body = joined(json, jsonBytes, binary);
  headers.push('content-length', String(body.length));
  response.writeHead(200, headers);
  response.end(body, () => releaseBodyMemory(body));
}

function joined(json: string, jsonBytes: number, binary: readonly Uint8Array[]): Buffer {
  let total = jsonBytes;
  for (const part of binary) total += part.byteLength;
  const body = Buffer.allocUnsafe(total);
  body.write(json, 0, 'utf8');
  let offset = jsonBytes;
  for (const part of binary) {
    body.set(part, offset);
    offset += part.byteLength;
  }
  return body;
}

function sendCompressed(response: ServerResponse, headers: string[], body: Buffer, encoding: 'gzip' | 'deflate'): void {
  const send = (compressed: Buffer): void => {
    response.writeHead(200, [...headers, 'content-encoding', encoding, 'content-length', String(compressed.length)]);
    response.end(compressed);
  };
  if (body.length <= compressAtOnceBytes) {
    send(encoding === 'gzip' ? gzipSync(body, compression) : deflateSync(body, compression));
    return;
  }
  const compress = encoding === 'gzip' ? gzip : deflate;
  compress(body, compression, (error, compressed) => (error === null ? send(compressed) : response.destroy(error)));
}

/** The preferred encoding that the client accepts: gzip, then deflate, else none. */
export function acceptedEncoding(header: string | string[] | undefined): 'gzip' | 'deflate' | null {
  if (typeof header !== 'string') return null;
  const accepted = header.split(',').filter((coding) => !/;\s*q=0(\.0*)?\s*$/.test(coding));
  const names = accepted.map((coding) => (coding.split(';')[0] as string).trim().toLowerCase());
  return names.includes('gzip') ? 'gzip' : names.includes('deflate') ? 'deflate' : null;
}
