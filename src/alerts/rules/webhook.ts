/**
 * Sends a signed document to a user-provided URL. The URL is untrusted: redirects are not followed, only allowed addresses are connected
 * to, and slow or endless responses are cut off.
 */
import { createHmac } from 'node:crypto';
import { type LookupAddress, lookup } from 'node:dns';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import { PlatformError } from '../../errors.ts';
import { request as httpRequest } from '../../node-http.ts';
import type { HttpParameters } from './http-parameters.ts';
import type { WebhookPolicy } from './webhook-policy.ts';

/** One call of a webhook. */
export interface WebhookRequest {
  readonly url: string;
  readonly body: string;
  /** Same for a delivery and its retries. */
  readonly id: string;
  /** Epoch milliseconds. */
  readonly atMs: number;
  /** Key of the signature; null for unsigned calls. */
  readonly secret: string | null;
  readonly http?: HttpParameters | undefined;
}

const timeoutMs = 10_000;

/** `t=SECONDS,v1=HEX`: the HMAC-SHA256 of `SECONDS.BODY`. */
export function signatureOf(secret: string, atMs: number, body: string): string {
  const seconds = Math.floor(atMs / 1000);
  return `t=${seconds},v1=${createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')}`;
}

/** Resolves on 2xx. Throws `unavailable` for other results, `invalid_request` if the address is never allowed, with the reason. */
export async function sendWebhook({ url: text, body, id, atMs, secret, http }: WebhookRequest, policy: WebhookPolicy): Promise<void> {
  const url = policy.checkUrl(text);
  for (const [name, value] of Object.entries(http?.query ?? {})) url.searchParams.set(name, value);
  const provided = Object.entries(http?.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value] as const);
  const headers = {
    'content-type': 'application/json',
    ...Object.fromEntries(provided),
    'Content-Length': Buffer.byteLength(body),
    'User-Agent': 'penstock',
    // Authentication rejects this header in calls without a key: a webhook never acts as an anonymous caller of this or another server.
    'Penstock-Delivery': id,
    ...(secret === null ? {} : { 'Penstock-Signature': signatureOf(secret, atMs, body) }),
  };
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const status = await new Promise<number>((resolve, reject) => {
    const call: ClientRequest = send(url, {
      method: 'POST',
      headers,
      agent: false,
      lookup: lookupChecked((address) => policy.checkAddress(address, url, text)),
      signal: AbortSignal.timeout(timeoutMs),
    });
    call.on('error', reject);
    call.on('response', (response: IncomingMessage) => {
      resolve(response.statusCode ?? 0);
      response.destroy(); // the body is not needed
    });
    call.end(body);
  }).catch((error: Error) => {
    if (error instanceof PlatformError) throw error; // a forbidden address: retrying would not help
    const why = error.name === 'AbortError' || error.name === 'TimeoutError' ? `no answer within ${timeoutMs / 1000} s` : error.message;
    throw new PlatformError('unavailable', `${url.origin} could not be reached: ${why}`, { cause: error });
  });
  if (status >= 200 && status < 300) return;
  const answer = status >= 300 && status < 400 ? `${status}, and redirects are not followed` : String(status);
  throw new PlatformError('unavailable', `${url.origin} answered ${answer}`);
}

/** Checks the addresses the socket connects to: another lookup of the same name can return others. */
function lookupChecked(check: (address: string) => void): LookupFunction {
  return (host, options, done) => {
    lookup(host, { ...options, all: true }, (error: Error | null, addresses: LookupAddress[]) => {
      if (error !== null) return done(error, '', 0);
      try {
        for (const { address } of addresses) check(address);
      } catch (refusal) {
        return done(refusal as Error, '', 0);
      }
      if (options.all === true) return done(null, addresses);
      const [first] = addresses;
      done(null, first?.address ?? '', first?.family ?? 4);
    });
  };
}
