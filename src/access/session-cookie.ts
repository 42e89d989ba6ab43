/** The session cookie (RFC 6265bis): inaccessible to scripts, not sent by other sites, and only over TLS if the server uses it. */
import { createHash } from 'node:crypto';
import { sessionLimits } from './sessions.ts';

/** Its name depends on the keys file, because browsers send the cookies of a host to all of its ports. */
export class SessionCookie {
  readonly name: string;
  readonly #attributes: string;

  /** Browsers share cookies between ports of a host, so servers with other key files get other cookie names. */
  constructor(keysPath: string, isSecure: boolean) {
    const suffix = createHash('sha256').update(keysPath).digest('hex').slice(0, 8);
    this.name = `${isSecure ? '__Host-' : ''}penstock-${suffix}`;
    this.#attributes = `; Path=/; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`;
  }

  /** The token in the header `Cookie`; undefined if absent. */
  read(header: string | undefined): string | undefined {
    if (header === undefined) return undefined;
    for (const pair of header.split(';')) {
      const equals = pair.indexOf('=');
      if (equals > 0 && pair.slice(0, equals).trim() === this.name) return pair.slice(equals + 1).trim();
    }
    return undefined;
  }

  /** For `Set-Cookie`. */
  write(token: string): string {
    return `${this.name}=${token}; Max-Age=${sessionLimits.lifeMs / 1000}${this.#attributes}`;
  }

  get discard(): string {
    return `${this.name}=; Max-Age=0${this.#attributes}`;
  }
}
