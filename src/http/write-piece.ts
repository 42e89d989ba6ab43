/** Writes a response piece by piece, no faster than its client reads. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { PlatformError } from '../errors.ts';

/** Resolves when the response takes the next piece, or its connection has closed. Rejects with `invalid_request` if it was closed before. */
export async function writePiece(response: ServerResponse, bytes: Buffer | string): Promise<void> {
  if (response.destroyed) throw new PlatformError('invalid_request', 'the client disconnected during the response');
  if (response.write(bytes)) return;
  // Without it, each wait would leave its listener for the other event: a slow client makes thousands of them.
  const isOver = new AbortController();
  const { signal } = isOver;
  try {
    await Promise.race([once(response, 'drain', { signal }), once(response, 'close', { signal })]);
  } finally {
    isOver.abort();
  }
}
