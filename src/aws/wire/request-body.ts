/** Reads whole bodies up to a limit, and drains the rest of rejected ones. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { PlatformError } from '../../errors.ts';
import { type BodyLimits, readRawBodyInto, sendContinue } from '../../http/index.ts';

const continued = new WeakSet<ServerResponse>();

/** Sends `100 Continue` if the client waits for it. */
export function allowBody(request: IncomingMessage, response: ServerResponse): void {
  if (!awaitsContinue(request, response)) return;
  continued.add(response);
  sendContinue(response);
}

/** Whether the client withholds its body until it receives `100 Continue`. */
export function awaitsContinue(request: IncomingMessage, response: ServerResponse): boolean {
  const { expect } = request.headers;
  return expect !== undefined && /^100-continue$/i.test(expect) && !continued.has(response);
}

/**
 * Returns the bytes as received. Throws `too_large`, `unavailable` if the shared budget is used up, or `invalid_request` if the client
 * disconnects.
 */
export function readEntireBody(request: IncomingMessage, response: ServerResponse, limits: BodyLimits): Promise<Buffer> {
  allowBody(request, response);
  return new Promise((resolve, reject) => {
    const onClose = (): void => reject(clientDisconnected());
    request.once('close', onClose);
    readRawBodyInto(request, response, limits, (error, body) => {
      request.off('close', onClose);
      if (error === null) resolve(body);
      else reject(error.code === 'too_large' ? tooLarge(limits.limitBytes, error) : error);
    });
  });
}

/** Uses AWS's wording. */
export function tooLarge(bytesMax: number, cause?: unknown): PlatformError {
  return new PlatformError('too_large', `HTTP content length exceeded ${bytesMax} bytes.`, { cause });
}

/** Ends the handling of a request. The client, which is gone, never sees it. */
export function clientDisconnected(): PlatformError {
  return new PlatformError('invalid_request', 'the client disconnected before its request was complete');
}

/** Discards up to `bytesMax` of the remaining body, so that the connection can be reused. */
export function discardRest(request: IncomingMessage, bytesMax: number): Promise<void> {
  if (request.complete || request.destroyed || Number(request.headers['content-length'] ?? 0) > bytesMax) return Promise.resolve();
  return new Promise((resolve) => {
    let dropped = 0;
    request.on('data', (chunk: Buffer) => {
      dropped += chunk.length;
      if (dropped <= bytesMax) return;
      request.pause();
      resolve();
    });
    request.once('end', resolve);
    request.once('close', resolve);
    request.resume();
  });
}
