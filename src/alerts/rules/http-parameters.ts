/** Headers and query parameters of a webhook call. Pure. */
import { PlatformError } from '../../errors.ts';
import { compilePath } from './event-path.ts';

/** A value that starts with `$` is a path into the event. */
export interface HttpParameters {
  readonly headers: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
}

/** Headers that control the transport or identify the sender. */
const reservedHeaders =
  /^(?:host|content-length|content-encoding|transfer-encoding|connection|keep-alive|te|trailer|upgrade|expect|proxy-.*|penstock-.*)$/i;

/** Throws `invalid_request`. */
export function checkHttpParameters({ headers, query }: HttpParameters): void {
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) throw new PlatformError('invalid_request', `'${name}' is not a valid header name.`);
    if (reservedHeaders.test(name))
      throw new PlatformError('invalid_request', `The header ${name} is set by the server and cannot be set by a target.`);
    if (value !== toHeaderValue(value))
      throw new PlatformError('invalid_request', `The value of the header ${name} has characters that headers cannot contain.`);
  }
  // Rejections are recorded in the immutable audit log: the value may be a key, so it is not repeated.
  for (const [name, value] of [...Object.entries(headers), ...Object.entries(query)]) {
    if (value.startsWith('$') && compilePath(value) === null)
      throw new PlatformError('invalid_request', `${name} starts with $ but is not a path: expected one such as $.detail.total`);
  }
}

/** Replaces paths by their values in the event; drops those without a value. */
export function resolveParameters({ headers, query }: HttpParameters, envelope: unknown): HttpParameters {
  return { headers: resolved(headers, envelope, toHeaderValue), query: resolved(query, envelope, (text) => text) };
}

function resolved(
  provided: Readonly<Record<string, string>>,
  envelope: unknown,
  format: (text: string) => string,
): Readonly<Record<string, string>> {
  const found = new Map<string, string>();
  for (const [name, value] of Object.entries(provided)) {
    const at = value.startsWith('$') ? compilePath(value)?.(envelope) : value;
    if (at !== undefined) found.set(name, format(typeof at === 'string' ? at : JSON.stringify(at)));
  }
  return Object.fromEntries(found);
}

/** An event must not be able to inject a header. */
function toHeaderValue(value: string): string {
  return value.replaceAll(/[^\t\x20-\x7e]/g, '?');
}
