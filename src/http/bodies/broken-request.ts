/** Responses to connections without a complete request: malformed, oversized or too slow. */
import type { Duplex } from 'node:stream';
import type { Clock } from '../../clock.ts';
import { errorBody, errorHeaders, httpStatus } from '../../connections/index.ts';
import { type ErrorCode, PlatformError } from '../../errors.ts';
import { STATUS_CODES } from '../../node-http.ts';

interface Refusal {
  readonly status: string;
  readonly code: ErrorCode;
  readonly message: string;
}

/** Node's error codes. */
const refusals: Readonly<Record<string, Refusal>> = {
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: '408 Request Timeout',
    code: 'deadline_exceeded',
    message: 'the request was not complete within the time limit: send it faster, or in smaller parts',
  },
  HPE_HEADER_OVERFLOW: {
    status: '431 Request Header Fields Too Large',
    code: 'too_large',
    message: 'the headers are too large: expected at most 16 KiB',
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { status: '413 Payload Too Large', code: 'too_large', message: 'the chunk extensions are too large' },
};

const malformed: Refusal = { status: '400 Bad Request', code: 'invalid_request', message: 'malformed request: expected HTTP/1.1' };

/** A client that is still sending needs time to read the response, but might never close the connection itself. */
const lingerMs = 1000;

/** Sends the error if the connection is still writable, and closes it, so that memory is released regardless of the client. */
export function rejectConnection(
  error: Error & { readonly code?: string },
  socket: Duplex,
  requestId: string,
  clock: Pick<Clock, 'after'>,
): void {
  if (error.code === 'ECONNRESET' || !socket.writable || isAnswering(socket)) {
    socket.destroy();
    return;
  }
  const { status, code, message } = refusals[error.code ?? ''] ?? malformed;
  socket.end(lastResponse(status, new PlatformError(code, message), requestId));
  socket.once(
    'close',
    clock.after(lingerMs, () => socket.destroy()),
  );
}

/** Writes a response directly to the socket, bypassing node:http, and ends the connection. `done` runs after the write. */
export function writeFailure(socket: Duplex, error: PlatformError, requestId: string, done: () => void): void {
  const status = httpStatus[error.code];
  socket.end(lastResponse(`${status} ${STATUS_CODES[status]}`, error, requestId), done);
}

function lastResponse(status: string, error: PlatformError, requestId: string): string {
  const body = errorBody(error, requestId);
  const headers = Object.entries({
    connection: 'close',
    'content-type': 'application/json',
    'x-content-type-options': 'nosniff',
    'x-request-id': requestId,
    ...errorHeaders(error),
    'content-length': String(Buffer.byteLength(body)),
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status}\r\n${headers.join('')}\r\n${body}`;
}

/** Whether a response has begun: a second one in the middle of it would corrupt the stream. */
function isAnswering(socket: Duplex): boolean {
  const { _httpMessage: message } = socket as { _httpMessage?: { headersSent: boolean } | null };
  return message?.headersSent === true;
}
