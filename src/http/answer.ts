/**
 * Answers a node:http request, also one whose body was not read to its end: a client that is still sending sees the
 * answer before the connection goes, and nobody reads gigabytes to be polite.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

/** A rest of this size is read and dropped, and the connection stays. */
const harmlessRestBytes = 1024 * 1024;
/** So much of a longer rest is read before the connection is closed. The request timeout bounds the time, which a client that does not read cannot stretch. */
const lingerBytesMax = 8 * 1024 * 1024;

/** `headers` are name, value, name, value, ... and hold no content-length. */
export function answer(
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
    // Node drops a rest by itself only where nothing of the body was read.
    if (!request.complete) request.resume();
    return;
  }
  // The answer is whole by its content-length; its end, which closes the connection, waits for the client's.
  response.write(body);
  let dropped = 0;
  request.on('data', (chunk: Buffer) => {
    dropped += chunk.length;
    if (dropped > lingerBytesMax) response.end();
  });
  request.on('end', () => response.end());
  request.resume();
}

function hasShortRest(request: IncomingMessage): boolean {
  const declared = request.headers['content-length'];
  return declared === undefined ? request.headers['transfer-encoding'] === undefined : Number(declared) <= harmlessRestBytes;
}
