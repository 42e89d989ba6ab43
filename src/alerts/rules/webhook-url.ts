/** Validates the form of a webhook URL. Pure. */
import { isIP } from 'node:net';
import { PlatformError } from '../../errors.ts';
import { addressKind } from './addresses.ts';

/** Throws `invalid_request` for a URL that is never called, regardless of the configuration. */
export function webhookUrl(text: string): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new PlatformError('invalid_request', `'${text.slice(0, 100)}' is not a URL: expected one such as https://example.org/hook`);
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new PlatformError('invalid_request', `expected an http or https URL for a webhook, got ${url.protocol}`);
  if (url.username !== '' || url.password !== '')
    throw new PlatformError('invalid_request', 'a webhook URL cannot contain a name and password. Deliveries are signed instead');
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0 && addressKind(host) === 'forbidden')
    throw new PlatformError(
      'invalid_request',
      `the webhook ${url.origin} is not called: ${host}, which can serve cloud credentials or is not a single machine`,
    );
  return url;
}
