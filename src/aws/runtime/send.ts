/** Sends the answer of an invocation, whole or as a stream of events. */
import { payloadPart } from '../wire/event-stream.ts';
import type { EncodedAnswer } from './answer.ts';
import type { Exchange } from './exchange.ts';

export const eventStreamType = 'application/vnd.amazon.eventstream';
/** More goes into several events: botocore reads none above 24 MiB. */
const partBytesMax = 8 * 2 ** 20;

export function isStreamed({ place }: Pick<Exchange, 'place'>): boolean {
  return place.operation === 'InvokeEndpointWithResponseStream';
}

/** `more` headers are name, value, name, value, ... */
export function sendAnswer(exchange: Exchange, { contentType, body }: EncodedAnswer, more: readonly string[]): void {
  const { response, route } = exchange;
  if (response.headersSent || response.destroyed) return;
  const headers = ['x-Amzn-Invoked-Production-Variant', route.variant, ...more];
  if (isStreamed(exchange)) {
    response.writeHead(200, [...headers, 'Content-Type', eventStreamType, 'X-Amzn-SageMaker-Content-Type', contentType]);
    response.end(framed(typeof body === 'string' ? Buffer.from(body) : body));
    return;
  }
  const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
  headers.push('Content-Type', contentType, 'Content-Length', String(length));
  response.writeHead(200, headers);
  // One byte a character: nothing to encode.
  if (typeof body === 'string') response.end(body, length === body.length ? 'latin1' : 'utf8');
  else response.end(body);
}

function framed(body: Buffer): Buffer {
  const parts = [payloadPart(body.subarray(0, partBytesMax))];
  for (let from = partBytesMax; from < body.length; from += partBytesMax) parts.push(payloadPart(body.subarray(from, from + partBytesMax)));
  return Buffer.concat(parts);
}
