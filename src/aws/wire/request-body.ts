/** Reads bodies: whole ones up to a limit, and the rest of those that were refused. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { PlatformError } from '../../errors.ts';
import { type BodyLimits, readRawBodyInto } from '../../http/index.ts';

const toldToContinue = new WeakSet<ServerResponse>();

/** A client that asked first may send its body now; one that did not is sending already. */
export function letComeBody(request: IncomingMessage, response: ServerResponse): void {
  if (!isWaiting(request, response)) return;
  toldToContinue.add(response);
  response.writeContinue();
}

/** Whether the client holds its body back until it is told to go on. */
export function isWaiting(request: IncomingMessage, response: ServerResponse): boolean {
  const { expect } = request.headers;
  return expect !== undefined && /^100-continue$/i.test(expect) && !toldToContinue.has(response);
}

/** The bytes as they came. Throws `too_large`; `unavailable` where bodies take too much together; `invalid_request` where the client goes away. */
export function readWhole(request: IncomingMessage, response: ServerResponse, limits: BodyLimits): Promise<Buffer> {
  letComeBody(request, response);
  return new Promise((resolve, reject) => {
    const onClose = (): void => reject(clientGone());
    request.once('close', onClose);
    readRawBodyInto(request, response, limits, (error, body) => {
      request.off('close', onClose);
      if (error === null) resolve(body);
      else reject(error.code === 'too_large' ? tooLarge(limits.limitBytes, error) : error);
    });
  });
}

/** In AWS's words. */
export function tooLarge(bytesMax: number, cause?: unknown): PlatformError {
  return new PlatformError('too_large', `HTTP content length exceeded ${bytesMax} bytes.`, { cause });
}

export function clientGone(): PlatformError {
  return new PlatformError('invalid_request', 'the client went away before its request was complete');
}

/** Reads and drops what is left of a body, up to so many bytes: then the connection can go on. */
export function dropRest(request: IncomingMessage, bytesMax: number): Promise<void> {
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
