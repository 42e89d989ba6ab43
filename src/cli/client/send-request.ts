/**
 * Sends HTTP requests with node:http. `fetch` would load a client of its own first, which takes a third of the processor time of a verb that
 * calls a server.
 */
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { request as httpRequest } from '../../node-http.ts';

/** Sent as fast as the server accepts it. */
export type SentBody = string | Uint8Array | AsyncIterable<Uint8Array>;

export interface OutgoingCall {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: SentBody | undefined;
  /** Ends the request, and the reading of its response. */
  readonly signal: AbortSignal;
}

/** Until a response begins. Its body may pause for longer: a stream of events is silent while nothing happens. */
const silenceMinutesMax = 5;

/** Resolves when the head of the response has arrived. Rejects with the error of the connection, or with that of the body. */
export async function sendRequest(url: string, call: OutgoingCall): Promise<IncomingMessage> {
  const { method, headers, body, signal } = call;
  const send = url.startsWith('https:') ? (await import('node:https')).request : httpRequest;
  const request = send(url, { method, headers, signal, timeout: silenceMinutesMax * 60_000 });
  let unreadable: unknown;
  async function* read(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      yield* content;
    } catch (error) {
      unreadable = error;
      throw error;
    }
  }
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    request.on('response', resolve).on('error', reject);
    request.on('timeout', () => request.destroy(new Error(`no response for ${silenceMinutesMax} minutes`)));
  });
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) request.end(body);
  // If the server answers before it has the whole body, that is the answer.
  else pipeline(Readable.from(read(body), { objectMode: false }), request).catch(() => undefined);
  try {
    const response = await answered;
    request.setTimeout(0);
    return response;
  } catch (error) {
    // The server closed a kept connection just when it was used again.
    const isStale = request.reusedSocket && (error as NodeJS.ErrnoException).code === 'ECONNRESET';
    if (isStale && method === 'GET' && !signal.aborted) return sendRequest(url, call);
    throw unreadable ?? error;
  }
}

/** The whole body, as UTF-8. */
export async function textOfResponse(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
