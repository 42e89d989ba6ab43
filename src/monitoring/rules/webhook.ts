/**
 * Sends a signed document to an address that a user named. The address is hostile ground: no redirect is followed, no address is called where
 * clouds keep credentials, and whoever answers slowly or at length is cut off.
 */
import { createHmac } from 'node:crypto';
import { type LookupAddress, lookup } from 'node:dns';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { PlatformError } from '../../errors.ts';
import { isCallable } from './addresses.ts';
import type { HttpParameters } from './http-parameters.ts';

export interface WebhookOrder {
  readonly url: string;
  readonly body: string;
  /** Tells one delivery from its retries. */
  readonly id: string;
  /** Epoch milliseconds. */
  readonly atMs: number;
  /** What receivers know the sender by; null: unsigned. */
  readonly secret: string | null;
  readonly http?: HttpParameters | undefined;
}

const timeoutMs = 10_000;

/** Throws `invalid_request` for what is no address that may be called. */
export function checkWebhookUrl(text: string): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new PlatformError('invalid_request', `'${text.slice(0, 100)}' is no URL: expected one such as https://example.org/hook`);
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new PlatformError('invalid_request', `a webhook is called by http or https, not ${url.protocol}`);
  if (url.username !== '' || url.password !== '')
    throw new PlatformError('invalid_request', 'a webhook has no name and password in its URL: deliveries are signed instead');
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0) refuseForbidden(host, host);
  return url;
}

/** `t=SECONDS,v1=HEX`: the HMAC-SHA256 of `SECONDS.BODY`. */
export function signatureOf(secret: string, atMs: number, body: string): string {
  const seconds = Math.floor(atMs / 1000);
  return `t=${seconds},v1=${createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')}`;
}

/** Resolves where the receiver took it (2xx). Throws `unavailable` where it did not, `invalid_request` where it never may, with the reason. */
export async function sendWebhook({ url: text, body, id, atMs, secret, http }: WebhookOrder): Promise<void> {
  const url = checkWebhookUrl(text);
  for (const [name, value] of Object.entries(http?.query ?? {})) url.searchParams.set(name, value);
  const given = Object.entries(http?.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value] as const);
  const headers = {
    'content-type': 'application/json',
    ...Object.fromEntries(given),
    'Content-Length': Buffer.byteLength(body),
    'User-Agent': 'penstock',
    'Penstock-Delivery': id,
    ...(secret === null ? {} : { 'Penstock-Signature': signatureOf(secret, atMs, body) }),
  };
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const status = await new Promise<number>((resolve, reject) => {
    const call: ClientRequest = send(url, {
      method: 'POST',
      headers,
      agent: false,
      lookup: safeLookup,
      signal: AbortSignal.timeout(timeoutMs),
    });
    call.on('error', reject);
    call.on('response', (response: IncomingMessage) => {
      resolve(response.statusCode ?? 0);
      response.destroy(); // what it says besides is of no interest
    });
    call.end(body);
  }).catch((error: Error) => {
    if (error instanceof PlatformError) throw error; // of an address that may not be called: no other try would help
    const why = error.name === 'AbortError' || error.name === 'TimeoutError' ? `no answer within ${timeoutMs / 1000} s` : error.message;
    throw new PlatformError('unavailable', `${url.origin} could not be reached: ${why}`, { cause: error });
  });
  if (status >= 200 && status < 300) return;
  const what = status >= 300 && status < 400 ? `${status}, and redirects are not followed` : String(status);
  throw new PlatformError('unavailable', `${url.origin} answered ${what}`);
}

/** Looks at the address that is really called: a name may stand for another one each time it is asked for. */
const safeLookup: LookupFunction = (host, options, done) => {
  lookup(host, { ...options, all: true }, (error: Error | null, addresses: LookupAddress[]) => {
    if (error !== null) return done(error, '', 0);
    try {
      for (const { address } of addresses) refuseForbidden(address, host);
    } catch (refusal) {
      return done(refusal as Error, '', 0);
    }
    if (options.all === true) return done(null, addresses);
    const [first] = addresses;
    done(null, first?.address ?? '', first?.family ?? 4);
  });
};

function refuseForbidden(address: string, host: string): void {
  if (isCallable(address)) return;
  throw new PlatformError(
    'invalid_request',
    `${host} stands for ${address}, where clouds keep their credentials, or which is no single machine: it is not called`,
  );
}
