/** Sends the response of an invocation, whole or as a stream of events. */
import { payloadPart } from '../wire/event-stream.ts';
import type { RuntimeCall } from './exchange.ts';
import type { EncodedBody } from './invocation-response.ts';

/** AWS's framing of streamed responses. */
export const eventStreamType = 'application/vnd.amazon.eventstream';
/** Larger bodies become several events: botocore reads events up to 24 MiB. */
const partBytesMax = 8 * 2 ** 20;

/** Whether the client expects an event stream. */
export function isStreamed({ runtimePath }: Pick<RuntimeCall, 'runtimePath'>): boolean {
  return runtimePath.operation === 'InvokeEndpointWithResponseStream';
}

/** `more` lists header names and values, alternating. Does nothing if the client has disconnected. */
export function sendResponse(call: RuntimeCall, { contentType, body }: EncodedBody, more: readonly string[]): void {
  const { response, route } = call;
  if (response.headersSent || response.destroyed) return;
  const headers = ['x-Amzn-Invoked-Production-Variant', route.variant, ...more];
  if (isStreamed(call)) {
    response.writeHead(200, [...headers, 'Content-Type', eventStreamType, 'X-Amzn-SageMaker-Content-Type', contentType]);
    response.end(framed(typeof body === 'string' ? Buffer.from(body) : body));
    return;
  }
  const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
  headers.push('Content-Type', contentType, 'Content-Length', String(length));
  response.writeHead(200, headers);
  // One byte per character: latin1 skips the UTF-8 encoder.
  if (typeof body === 'string') response.end(body, length === body.length ? 'latin1' : 'utf8');
  else response.end(body);
}

function framed(body: Buffer): Buffer {
  const parts = [payloadPart(body.subarray(0, partBytesMax))];
  for (let from = partBytesMax; from < body.length; from += partBytesMax) parts.push(payloadPart(body.subarray(from, from + partBytesMax)));
  return Buffer.concat(parts);
}
