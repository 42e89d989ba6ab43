/** What a connection gets that never became a request: broken, oversized or too slow. */
import type { Duplex } from 'node:stream';
import type { Clock } from '../clock.ts';
import { type ErrorCode, PlatformError } from '../errors.ts';
import { errorBody } from './errors.ts';

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
    message: 'the request was not complete in time: send it faster, or in smaller parts',
  },
  HPE_HEADER_OVERFLOW: {
    status: '431 Request Header Fields Too Large',
    code: 'too_large',
    message: 'the headers are too large: at most 16 KiB are accepted',
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { status: '413 Payload Too Large', code: 'too_large', message: 'the chunk extensions are too large' },
};

const malformed: Refusal = { status: '400 Bad Request', code: 'invalid_request', message: 'this is not a well-formed HTTP/1.1 request' };

/** A client that is still sending would not see its refusal if the connection went together with it; but it may never hang up. */
const lingerMs = 1000;

/** Writes the refusal, if the connection can still take one, and closes it: what the request holds is given back whatever its client does. */
export function refuseConnection(
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
  const body = errorBody(new PlatformError(code, message), requestId);
  socket.end(
    `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: application/json\r\nx-content-type-options: nosniff\r\n` +
      `x-request-id: ${requestId}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  socket.once(
    'close',
    clock.after(lingerMs, () => socket.destroy()),
  );
}

/** An answer is already on its way: another one in the middle of it would only confuse. */
function isAnswering(socket: Duplex): boolean {
  const { _httpMessage: message } = socket as { _httpMessage?: { headersSent: boolean } | null };
  return message?.headersSent === true;
}
