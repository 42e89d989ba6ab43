/** What a call of a webhook bears besides its body. Pure. */
import { PlatformError } from '../../errors.ts';
import { compilePath } from './event-path.ts';

/** A value that begins with `$` is a path into the event. */
export interface HttpParameters {
  readonly headers: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
}

/** Those that say how a message is sent, or who sent it. */
const ours =
  /^(?:host|content-length|content-encoding|transfer-encoding|connection|keep-alive|te|trailer|upgrade|expect|proxy-.*|penstock-.*)$/i;

/** Throws `invalid_request`. */
export function checkHttpParameters({ headers, query }: HttpParameters): void {
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) throw new PlatformError('invalid_request', `'${name}' is no name of a header.`);
    if (ours.test(name))
      throw new PlatformError('invalid_request', `The header ${name} is the server's own and cannot be set by a target.`);
    if (value !== sayable(value)) throw new PlatformError('invalid_request', `The header ${name} has characters that no header may have.`);
  }
  // What is refused is told in the audit, which is never changed: a value may be a key, so it is not repeated.
  for (const [name, value] of [...Object.entries(headers), ...Object.entries(query)]) {
    if (value.startsWith('$') && compilePath(value) === null)
      throw new PlatformError('invalid_request', `${name} begins with $ and is no path: expected one such as $.detail.total`);
  }
}

/** With what the paths lead to in this event; what leads to nothing is left away. */
export function resolveParameters({ headers, query }: HttpParameters, envelope: unknown): HttpParameters {
  return { headers: resolved(headers, envelope, sayable), query: resolved(query, envelope, (text) => text) };
}

function resolved(
  given: Readonly<Record<string, string>>,
  envelope: unknown,
  said: (text: string) => string,
): Readonly<Record<string, string>> {
  const found = new Map<string, string>();
  for (const [name, value] of Object.entries(given)) {
    const at = value.startsWith('$') ? compilePath(value)?.(envelope) : value;
    if (at !== undefined) found.set(name, said(typeof at === 'string' ? at : JSON.stringify(at)));
  }
  return Object.fromEntries(found);
}

/** Nobody's event may add a header of its own. */
function sayable(value: string): string {
  return value.replaceAll(/[^\t\x20-\x7e]/g, '?');
}
