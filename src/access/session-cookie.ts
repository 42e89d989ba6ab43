/** The cookie of a session (RFC 6265bis): no script reads it, no other site sends it, no plain connection carries it where there is TLS. */
import { createHash } from 'node:crypto';
import { sessionLimits } from './sessions.ts';

export class SessionCookie {
  readonly name: string;
  readonly #attributes: string;

  /** Browsers keep cookies by host, whatever the port: servers with other keys (`place`) have cookies of other names. */
  constructor(place: string, isSecure: boolean) {
    const mark = createHash('sha256').update(place).digest('hex').slice(0, 8);
    this.name = `${isSecure ? '__Host-' : ''}penstock-${mark}`;
    this.#attributes = `; Path=/; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`;
  }

  /** What the header `Cookie` says; undefined where it says nothing of it. */
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

  get forget(): string {
    return `${this.name}=; Max-Age=0${this.#attributes}`;
  }
}
