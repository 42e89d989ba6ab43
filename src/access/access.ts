/**
 * Who is calling, and may they? A caller shows a key; only on a loopback listener a program or page of this very
 * machine may come without one. What the connection says counts, never what a header claims in the caller's favour.
 */
import assert from 'node:assert/strict';
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { isLoopback } from '../config.ts';
import { PlatformError } from '../errors.ts';
import type { Caller } from './caller.ts';
import { type Key, type KeySummary, keepToOwner, readKeysFile, writeKeysFile } from './keys-file.ts';
import { hasPermission, type Permission, type Role, weakestRoleWith } from './roles.ts';
import { SessionCookie } from './session-cookie.ts';
import { type OpenedSession, Sessions } from './sessions.ts';

/** The headers that matter here, as node:http gives them. */
export interface AccessHeaders {
  readonly authorization?: string | undefined;
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
  readonly cookie?: string | undefined;
  readonly 'sec-fetch-site'?: string | string[] | undefined;
  readonly 'x-penstock-csrf'?: string | string[] | undefined;
  readonly forwarded?: string | undefined;
  readonly via?: string | undefined;
  readonly 'x-forwarded-for'?: string | string[] | undefined;
  readonly 'x-forwarded-host'?: string | string[] | undefined;
  readonly 'x-real-ip'?: string | string[] | undefined;
}

export interface AccessConnection {
  readonly remoteAddress: string | undefined;
  readonly listenerIsLoopback: boolean;
  /** Whether it has TLS; where nobody says, it has none. */
  readonly isSecure?: boolean;
  /** Of the request; where nobody says, it may change something. */
  readonly method?: string | undefined;
}

export interface SignedIn {
  readonly caller: Caller;
  /** For `Set-Cookie`. */
  readonly cookie: string;
}

interface KnownKey {
  readonly key: Key;
  readonly secretBytes: Buffer;
  readonly caller: Caller;
}

/** Without a key, from this machine, on loopback. */
const anonymous: Caller = { keyId: 'anonymous', role: 'admin' };
const form = 'send `Authorization: Bearer ID:SECRET` (the value of PENSTOCK_KEY)';

export class Access {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #random: (bytes: number) => Buffer;
  readonly #known = new Map<string, KnownKey>();
  readonly #sessions: Sessions;
  readonly #cookies: { readonly plain: SessionCookie; readonly secure: SessionCookie };

  private constructor(path: string, clock: Clock, random: (bytes: number) => Buffer) {
    this.#path = path;
    this.#clock = clock;
    this.#random = random;
    this.#sessions = new Sessions(clock, random);
    this.#cookies = { plain: new SessionCookie(path, false), secure: new SessionCookie(path, true) };
  }

  /** Reads the keys, or makes the file with one admin key. Throws `wrong_state` where it is broken. */
  static open(keysFile: string, clock: Clock, random: (bytes: number) => Buffer = randomBytes): Access {
    const access = new Access(keysFile, clock, random);
    const keys = readKeysFile(keysFile);
    if (keys === null) {
      access.create('admin', 'made at the first start');
    } else {
      keepToOwner(keysFile);
      access.#use(keys);
    }
    return access;
  }

  /** A new key. This is the only time its secret is shown. */
  create(role: Role, description = ''): Key {
    const id = `AKIA${Array.from(this.#random(16), (byte) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[byte & 31]).join('')}`;
    const secret = this.#random(30).toString('base64'); // 40 characters, as AWS has them
    const key: Key = { id, secret, role, description, createdAtMs: this.#clock.wallMs() };
    this.#save([...this.#keys(), key]);
    return key;
  }

  list(): KeySummary[] {
    return this.#keys().map(({ id, role, description, createdAtMs }) => ({ id, role, description, createdAtMs }));
  }

  /** From now on the key opens nothing. Throws `not_found`; `wrong_state` for the last admin key. */
  revoke(id: string): void {
    const known = this.#known.get(id);
    if (known === undefined) throw new PlatformError('not_found', `there is no key ${id}: see \`penstock keys list\``);
    const rest = this.#keys().filter((key) => key.id !== id);
    if (!rest.some(({ role }) => role === 'admin')) {
      throw new PlatformError('wrong_state', `${id} is the last admin key: create another one before you revoke it`);
    }
    this.#save(rest);
    this.#sessions.endOf(id);
  }

  /** A secret with which whoever started the server signs in once: as the admin key that is there longest. */
  signInLink(): string {
    const [first] = this.#keys().filter(({ role }) => role === 'admin');
    assert(first !== undefined, 'there is always an admin key');
    return this.#sessions.link(first.id);
  }

  /**
   * Opens a session for who shows `ID:SECRET`, or a link. The cookie is for `Set-Cookie`. Throws `unauthenticated` where
   * either is wrong, `forbidden` where a page of somebody else's asks.
   */
  signIn(shown: { readonly key: string } | { readonly link: string }, headers: AccessHeaders, connection: AccessConnection): SignedIn {
    refuseOtherSites(headers, connection);
    const caller = 'key' in shown ? this.#callerOf(`Bearer ${shown.key.trim()}`) : this.callerFor(this.#sessions.redeem(shown.link));
    assert(caller !== undefined, 'the links of a key go with it');
    const opened: OpenedSession = this.#sessions.open(caller);
    return { caller: opened.caller, cookie: this.#cookieFor(connection).write(opened.token) };
  }

  /** Ends the session, if there is one; what is returned makes the browser forget its cookie. Throws `forbidden` as above. */
  signOut(headers: AccessHeaders, connection: AccessConnection): string {
    refuseOtherSites(headers, connection);
    const cookie = this.#cookieFor(connection);
    const token = cookie.read(headers.cookie);
    if (token !== undefined) this.#sessions.end(token);
    return cookie.forget;
  }

  /** The secret of a key, to check a signature made with it. */
  secretFor(id: string): string | undefined {
    return this.#known.get(id)?.key.secret;
  }

  /** Who a key belongs to, once its signature has been checked. */
  callerFor(id: string): Caller | undefined {
    return this.#known.get(id)?.caller;
  }

  /**
   * Who is calling. A header with a key decides alone, wherever it comes from, then the cookie of a session: a wrong one is
   * never overlooked. Throws `unauthenticated` without a valid key or session, `forbidden` where a page or proxy tries to
   * borrow loopback's trust or somebody's session.
   */
  authenticate(headers: AccessHeaders, connection: AccessConnection): Caller {
    if (headers.authorization !== undefined) return this.#callerOf(headers.authorization);
    const token = this.#cookieFor(connection).read(headers.cookie);
    if (token !== undefined) return this.#callerOfSession(token, headers, connection);
    const { remoteAddress } = connection;
    if (!connection.listenerIsLoopback || remoteAddress === undefined || !isLoopback(remoteAddress)) {
      throw new PlatformError('unauthenticated', `a key is needed: ${form}`);
    }
    // The name in Host is what a browser believes to talk to: another one means DNS rebinding.
    if (!isLoopbackHost(headers.host)) throw withoutKey(`the header Host is ${shown(headers.host)}, not localhost, 127.0.0.1 or [::1]`);
    if (headers.origin !== undefined && !isLoopbackOrigin(headers.origin)) {
      throw withoutKey(`it comes from a page of ${shown(headers.origin)}`);
    }
    if (isForwarded(headers)) throw withoutKey('it was forwarded by a proxy');
    return anonymous;
  }

  /** Throws `forbidden`, saying which role it takes. */
  require(caller: Caller, permission: Permission): void {
    if (hasPermission(caller.role, permission)) return;
    const weakest = weakestRoleWith(permission);
    const takes = weakest === 'admin' ? weakest : `${weakest} or above`;
    throw new PlatformError('forbidden', `${caller.keyId} is ${caller.role} and may not ${permission}: it takes a key of role ${takes}`);
  }

  #callerOf(authorization: string): Caller {
    const colon = authorization.indexOf(':');
    if (colon < 0 || !/^bearer +/i.test(authorization)) {
      throw new PlatformError('unauthenticated', `the header Authorization is not understood: ${form}`);
    }
    const known = this.#known.get(authorization.slice(7, colon).trimStart());
    if (known === undefined || !isSame(known.secretBytes, authorization.slice(colon + 1))) {
      throw new PlatformError('unauthenticated', 'the key is unknown, revoked, or its secret is wrong: see `penstock keys list`');
    }
    return known.caller;
  }

  #callerOfSession(token: string, headers: AccessHeaders, connection: AccessConnection): Caller {
    refuseOtherSites(headers, connection);
    const caller = this.#sessions.callerOf(token);
    if (caller?.session === undefined) {
      throw new PlatformError('unauthenticated', 'the session is over, or of an earlier start of the server: sign in again');
    }
    const { method } = connection;
    if (method === 'GET' || method === 'HEAD') return caller;
    const shown = headers['x-penstock-csrf'];
    if (typeof shown === 'string' && isSame(Buffer.from(caller.session.csrfToken), shown)) return caller;
    const what = shown === undefined ? 'is missing' : 'is not that of the session';
    throw new PlatformError('forbidden', `a call with a cookie that may change something takes a header X-Penstock-CSRF, which ${what}`);
  }

  #cookieFor({ isSecure = false }: Pick<AccessConnection, 'isSecure'>): SessionCookie {
    return isSecure ? this.#cookies.secure : this.#cookies.plain;
  }

  #keys(): Key[] {
    return Array.from(this.#known.values(), ({ key }) => key);
  }

  /** The file first: what cannot be kept does not count. */
  #save(keys: readonly Key[]): void {
    writeKeysFile(this.#path, keys);
    this.#use(keys);
  }

  #use(keys: readonly Key[]): void {
    this.#known.clear();
    for (const key of keys) {
      this.#known.set(key.id, { key, secretBytes: Buffer.from(key.secret), caller: { keyId: key.id, role: key.role } });
    }
  }
}

/** In the same time whatever the difference, apart from the length, which is no secret. */
function isSame(secret: Buffer, given: string): boolean {
  const bytes = Buffer.from(given);
  return bytes.length === secret.length && timingSafeEqual(bytes, secret);
}

/** A Host header that can only mean this machine, with any port. */
function isLoopbackHost(host: string | undefined): boolean {
  if (host === undefined) return false;
  const [, ipv6, other] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+))(?::\d{1,5})?$/.exec(host) ?? [];
  if (ipv6 !== undefined) return isLoopback(ipv6);
  return other !== undefined && isLoopback(other);
}

/** `null`, the Origin of sandboxed and local pages, is nobody's. */
function isLoopbackOrigin(origin: string): boolean {
  const [, host] = /^https?:\/\/([^/?#@\s]+)$/.exec(origin) ?? [];
  return isLoopbackHost(host);
}

/**
 * What a cookie is worth depends on the page that sends it: only our own may. A browser says where a call comes from by
 * `Sec-Fetch-Site`, and by `Origin` wherever it could change something. Other ports of this host are other sites.
 */
function refuseOtherSites(headers: AccessHeaders, { isSecure = false }: AccessConnection): void {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') {
    throw new PlatformError(
      'forbidden',
      `the call comes from another site (Sec-Fetch-Site: ${shown(String(site))}): sessions are for the console alone`,
    );
  }
  if (headers.origin === undefined) return;
  // Behind a proxy that ends TLS the page has https and this listener has not.
  const [, scheme, host] = /^(https?):\/\/([^/?#@\s]+)$/.exec(headers.origin) ?? [];
  if (host !== undefined && host === headers.host && (scheme === 'https' || !isSecure)) return;
  throw new PlatformError('forbidden', `the call comes from a page of ${shown(headers.origin)}, not of ${shown(headers.host)}`);
}

/** A proxy on this machine makes everybody look local. */
function isForwarded(headers: AccessHeaders): boolean {
  return (
    headers.forwarded !== undefined ||
    headers.via !== undefined ||
    headers['x-forwarded-for'] !== undefined ||
    headers['x-forwarded-host'] !== undefined ||
    headers['x-real-ip'] !== undefined
  );
}

function withoutKey(why: string): PlatformError {
  return new PlatformError('forbidden', `a call without a key must come straight from this machine, but ${why}: ${form}`);
}

function shown(header: string | undefined): string {
  return header === undefined ? 'missing' : JSON.stringify(header.slice(0, 100));
}
