/**
 * Responds to a node:http request, even if its body was not fully read. A client that is still sending gets the response
 * before the connection is closed, and the server does not read gigabytes.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { streamedBodyBytesMax } from '../connections/index.ts';
import { ChunkPacer } from './bodies/chunk-pacer.ts';

/** Bytes of a longer remaining body that are read at all. The request timeout limits the time. */
const lingerBytesMax = 8 * 1024 * 1024;
/**
 * Time for the client to read the response when its body is not read any more. Without it, the connection is reset while the client writes,
 * and a client whose write fails does not read the response.
 */
const lastReadMs = 1000;
/** Reading a chunk costs as much as this many bytes. */
const chunkCostBytes = 1024;

/** `headers` are name, value, name, value, ... without content-length. */
export function respond(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  headers: readonly string[],
  body: string | Uint8Array,
): void {
  const length = typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength;
  const mustLinger = !request.complete && !hasShortRest(request);
  if (mustLinger) response.shouldKeepAlive = false;
  response.writeHead(status, [...headers, 'content-length', String(length)]);
  if (!mustLinger) {
    response.end(body);
    // Node discards the remaining body automatically only if none of the body was read.
    if (!request.complete) request.resume();
    return;
  }
  // The response is complete by its content-length; `end`, which closes the connection, waits for the client.
  response.write(body);
  let dropped = 0;
  const pacer = new ChunkPacer(request);
  const drop = (chunk: Buffer): void => {
    pacer.add();
    dropped += Math.max(chunk.length, chunkCostBytes);
    if (dropped <= lingerBytesMax) return;
    request.off('data', drop).pause();
    response.setTimeout(lastReadMs, () => response.end());
  };
  request.on('data', drop);
  request.on('end', () => response.end());
  request.resume();
}

/** Such a body is read and discarded, and the connection stays open. */
function hasShortRest(request: IncomingMessage): boolean {
  const declared = request.headers['content-length'];
  return declared === undefined ? request.headers['transfer-encoding'] === undefined : Number(declared) <= streamedBodyBytesMax;
}
