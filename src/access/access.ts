/**
 * Authentication and authorization. A caller sends a key. A program or page on the same machine may omit
 * it, but only on a loopback listener. That decision relies on the connection; headers can only revoke trust, never grant it.
 */
import assert from 'node:assert/strict';
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { isLoopback } from '../config.ts';
import { defined } from '../defined.ts';
import { PlatformError } from '../errors.ts';
import type { Caller } from './caller.ts';
import { FailedAttempts } from './failed-attempts.ts';
import { type ForeignCodeDeps, ForeignPeers, noForeignCode } from './foreign-code.ts';
import { KeyLimiter, type KeyLimits } from './key-limits.ts';
import { remainingKeys } from './key-list.ts';
import { type Key, type KeySummary, readKeysFile, restrictToOwner, writeKeysFile } from './keys-file.ts';
import type { PeerSocket } from './peer-uid.ts';
import { hasPermission, type Permission, type Role, weakestRoleWith } from './roles.ts';
import { SessionCookie } from './session-cookie.ts';
import { type OpenedSession, Sessions } from './sessions.ts';
import {
  isAuthentic,
  issueCredentials,
  isTemporaryId,
  readClaims,
  sessionSecret,
  type TemporaryCredentials,
} from './temporary-credentials.ts';

/** The relevant headers, as parsed by node:http. */
export interface AccessHeaders {
  readonly authorization?: string | undefined;
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
  readonly cookie?: string | undefined;
  readonly 'sec-fetch-site'?: string | string[] | undefined;
  readonly 'x-penstock-csrf'?: string | string[] | undefined;
  /** Any other header may reveal a proxy. */
  readonly [name: string]: string | string[] | undefined;
}

/** Headers of proxies and of servers that call on behalf of others: such a request originates elsewhere. */
const forwardingHeaders: ReadonlySet<string> = new Set([
  'forwarded',
  'via',
  'x-original-forwarded-for',
  'x-original-host',
  'x-original-url',
  'x-real-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-envoy-external-address',
  'true-client-ip',
  'cf-connecting-ip',
  'fastly-client-ip',
  'fastly-ff',
  'cf-ray',
  'cf-visitor',
  'cdn-loop',
  'proxy-connection',
  'x-amzn-trace-id',
  'x-appengine-user-ip',
  'x-azure-clientip',
  'x-azure-ref',
  'x-azure-socketip',
  'x-cloud-trace-context',
  'x-host',
  'x-proxyuser-ip',
  'x-remote-addr',
  'x-remote-ip',
  'x-request-start',
  'x-scheme',
  // Webhooks: of Penstock and of others (Standard Webhooks, WebSub, SNS).
  'penstock-delivery',
  'webhook-id',
  'x-hub-signature',
  'x-hub-signature-256',
  'x-amz-sns-message-type',
]);

/** What is known of a connection before any header was read. */
export interface AccessConnection {
  readonly remoteAddress: string | undefined;
  readonly listenerIsLoopback: boolean;
  /** Used to find the process at the other end. */
  readonly socket?: PeerSocket;
  /** Whether the connection uses TLS. Default: false. */
  readonly isSecure?: boolean;
  /** HTTP method; if absent, the request is treated as mutating. */
  readonly method?: string | undefined;
}

/** A caller who signed in, and the cookie that keeps the session. */
export interface AuthenticatedSession {
  readonly caller: Caller;
  /** For `Set-Cookie`. */
  readonly cookie: string;
}

/** Whose signature a request carries. */
export interface Signer {
  readonly secret: string;
  readonly caller: Caller;
}

/** Temporary credentials that a caller requests of STS. */
export interface RoleRequest {
  readonly role: string;
  readonly session: string;
  readonly seconds: number;
}

interface KnownKey {
  readonly key: Key;
  readonly secretBytes: Buffer;
  readonly caller: Caller;
}

/** A caller without a key, from this machine, on loopback. */
const anonymous: Caller = { keyId: 'anonymous', role: 'admin' };
/** The same while model code runs whose calls cannot be distinguished. */
const cappedAnonymous: Caller = { keyId: 'anonymous', role: 'invoker' };
/** The credentials of a job end with the job, whenever that is. */
const jobsEndMs = Date.UTC(9999, 0);
const howToAuthenticate = 'send `Authorization: Bearer ID:SECRET` (the value of PENSTOCK_KEY)';

/** One per server. Authentication reads memory only, so it can stand before every request. */
export class Access {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #known = new Map<string, KnownKey>();
  /** Whose credentials are valid. */
  readonly #jobs = new Set<string>();
  readonly #foreignPeers: ForeignPeers;
  readonly #sessions: Sessions;
  readonly #failedAttempts: FailedAttempts;
  readonly #cookies: { readonly plain: SessionCookie; readonly secure: SessionCookie };

  private constructor(path: string, clock: Clock, foreignCode: ForeignCodeDeps) {
    this.#path = path;
    this.#clock = clock;
    this.#foreignPeers = new ForeignPeers(foreignCode);
    this.#sessions = new Sessions(clock);
    this.#failedAttempts = new FailedAttempts(clock);
    this.#cookies = { plain: new SessionCookie(path, false), secure: new SessionCookie(path, true) };
  }

  /** Reads the keys, or creates the file with one admin key. Throws `wrong_state` if the file is broken. */
  static open(keysFile: string, clock: Clock, foreignCode: ForeignCodeDeps = noForeignCode): Access {
    const access = new Access(keysFile, clock, foreignCode);
    const keys = readKeysFile(keysFile);
    if (keys === null) {
      access.create('admin', 'created at the first start');
    } else {
      restrictToOwner(keysFile);
      access.#use(keys);
    }
    return access;
  }

  /** Creates a key. This is the only time its secret is returned. */
  create(role: Role, description = '', limits: KeyLimits = {}): Key {
    const key = this.newKey(role, description, limits);
    this.#save([...this.keys(), key]);
    return key;
  }

  /** A key that is not stored yet. */
  newKey(role: Role, description: string, limits: KeyLimits): Key {
    const id = newId('AKIA');
    const secret = randomBytes(30).toString('base64'); // 40 characters, as AWS has them
    const isLimited = Object.values(limits).some((limit) => limit !== undefined);
    return { id, secret, role, description, createdAtMs: this.#clock.wallMs(), ...(isLimited ? { limits } : {}) };
  }

  list(): KeySummary[] {
    return this.keys().map(({ secret: _secret, ...summary }) => summary);
  }

  /** Revokes a key and ends its sessions. Throws `not_found`; `wrong_state` for the last admin key. */
  revoke(id: string): void {
    this.replace(remainingKeys(this.keys(), id));
  }

  /** Stores and uses these keys in place of all others, and ends the sessions of those that are missing. */
  replace(keys: readonly Key[]): void {
    const before = this.keys();
    this.#save(keys);
    for (const { id } of before) if (!this.#known.has(id)) this.#sessions.endOf(id);
  }

  /** A one-time secret that signs in as the oldest admin key, for the user who started the server. */
  signInLink(): string {
    return this.#sessions.link(this.#oldestAdmin().key.id);
  }

  #oldestAdmin(): KnownKey {
    const [first] = [...this.#known.values()].filter(({ key }) => key.role === 'admin');
    assert(first !== undefined, 'there is always an admin key');
    return first;
  }

  /**
   * Opens a session for `ID:SECRET` or a sign-in link. The cookie is for `Set-Cookie`. Throws `unauthenticated` if either
   * is wrong, `forbidden` for a request from a page of another origin.
   */
  signIn(
    shown: { readonly key: string } | { readonly link: string },
    headers: AccessHeaders,
    connection: AccessConnection,
  ): AuthenticatedSession {
    rejectOtherOrigins(headers, connection);
    const caller =
      'key' in shown ? this.#callerOf(`Bearer ${shown.key.trim()}`, connection) : this.callerFor(this.#sessions.redeem(shown.link));
    assert(caller !== undefined, 'revoking a key deletes its links');
    const opened: OpenedSession = this.#sessions.open(caller);
    return { caller: opened.caller, cookie: this.#cookieFor(connection).write(opened.token) };
  }

  /** Ends the session if there is one. Returns the `Set-Cookie` value that deletes the cookie. Throws `forbidden` as above. */
  signOut(headers: AccessHeaders, connection: AccessConnection): string {
    rejectOtherOrigins(headers, connection);
    const cookie = this.#cookieFor(connection);
    const token = cookie.read(headers.cookie);
    if (token !== undefined) this.#sessions.end(token);
    return cookie.discard;
  }

  /**
   * The secret and the caller of a key or of temporary credentials, for verifying signatures. `token` accompanies temporary credentials
   * and must be part of what is signed; keys ignore it. Undefined if the id or the token is unknown.
   */
  signerFor(id: string, token: string | undefined): Signer | 'expired' | undefined {
    const own = this.#known.get(id);
    if (own !== undefined) return { secret: own.key.secret, caller: own.caller };
    const claims = token === undefined || !isTemporaryId(id) ? null : readClaims(token);
    const known = claims?.id === id ? this.#known.get(claims.keyId) : undefined;
    if (token === undefined || claims === null || known === undefined || !isAuthentic(token, known.key.secret)) return undefined;
    const { role, session, expiresAtMs, job } = claims;
    if (this.#clock.wallMs() >= expiresAtMs || (job !== undefined && !this.#jobs.has(job))) return 'expired';
    const assumed = { role, session, expiresAtMs, ...defined({ job }) };
    return { secret: sessionSecret(token, known.key.secret), caller: { ...known.caller, assumed } };
  }

  /**
   * Issues temporary credentials to a caller: with the permissions and limits of its key, and revoked together with it. Issued to
   * temporary credentials, they end no later than those, so a session cannot be extended. Undefined if the key was revoked meanwhile.
   */
  assumeRole(caller: Caller, { role, session, seconds }: RoleRequest): TemporaryCredentials | undefined {
    const known = this.#known.get(caller.keyId);
    if (known === undefined) return undefined;
    const endsAtMs = this.#clock.wallMs() + seconds * 1000;
    const expiresAtMs = Math.min(endsAtMs, caller.assumed?.expiresAtMs ?? endsAtMs);
    const claims = { id: newId('ASIA'), keyId: known.key.id, role, session, expiresAtMs, ...defined({ job: caller.assumed?.job }) };
    return issueCredentials(claims, known.key.secret);
  }

  /**
   * Credentials for the code of a job, which are valid while `hold` holds the job: with fewer permissions than the key of its creator, and
   * revoked together with it. A creator without a key stands for the oldest admin key. Undefined if the key was revoked.
   */
  jobCredentials(creator: string, job: string): TemporaryCredentials | undefined {
    const known = creator === anonymous.keyId ? this.#oldestAdmin() : this.#known.get(creator);
    if (known === undefined) return undefined;
    const claims = { id: newId('ASIA'), keyId: known.key.id, role: 'training-job', session: job, expiresAtMs: jobsEndMs, job };
    return issueCredentials(claims, known.key.secret);
  }

  /** Until `releaseJob`, the credentials of the job are valid, including those that an earlier server issued. */
  holdJob(job: string): void {
    this.#jobs.add(job);
  }

  releaseJob(job: string): void {
    this.#jobs.delete(job);
  }

  /** The caller of a key. The signature must have been verified. */
  callerFor(id: string): Caller | undefined {
    return this.#known.get(id)?.caller;
  }

  /**
   * Authenticates a request by its key, then by its session cookie, then by loopback trust. An invalid key or cookie is
   * never ignored. Throws `unauthenticated` without a valid key or session, `forbidden` if a foreign page or a proxy tries
   * to use the loopback trust or a session.
   */
  authenticate(headers: AccessHeaders, connection: AccessConnection): Caller {
    if (headers.authorization !== undefined) return this.#callerOf(headers.authorization, connection);
    const token = this.#cookieFor(connection).read(headers.cookie);
    if (token !== undefined) return this.#callerOfSession(token, headers, connection);
    this.#checkLocal(headers, connection);
    return this.#foreignPeers.areCallsCapped ? cappedAnonymous : anonymous;
  }

  /** Whether a request was sent on this machine, to a server for this machine only: not by a proxy, a foreign page or model code. */
  isLocal(headers: AccessHeaders, connection: AccessConnection): boolean {
    try {
      this.#checkLocal(headers, connection);
      return !this.#foreignPeers.areCallsCapped;
    } catch {
      return false;
    }
  }

  #checkLocal(headers: AccessHeaders, connection: AccessConnection): void {
    const { remoteAddress } = connection;
    if (!connection.listenerIsLoopback || remoteAddress === undefined || !isLoopback(remoteAddress)) {
      throw new PlatformError('unauthenticated', `a key is required: ${howToAuthenticate}`);
    }
    // Host is the name that a browser connected to: any other name means DNS rebinding.
    if (!isLoopbackHost(headers.host))
      throw withoutKey(`the header Host is ${quoted(headers.host)}, expected localhost, 127.0.0.1 or [::1]`);
    const forwarded = forwardedBy(headers);
    if (forwarded !== undefined) throw withoutKey(`it was sent by a proxy or another server (header ${forwarded})`);
    // Proxies were rejected above.
    rejectOtherOrigins(headers, connection, false);
    if (this.#foreignPeers.isForeign(connection.socket)) {
      throw new PlatformError(
        'unauthenticated',
        `a key is required, because the call may come from model code on this machine: ${howToAuthenticate}`,
      );
    }
  }

  /** Throws `forbidden` with the required role. */
  require(caller: Caller, permission: Permission): void {
    if (hasPermission(caller.role, permission)) return;
    if (caller === cappedAnonymous) {
      const why = 'calls without a key may only read and invoke while model code runs on this machine without network isolation';
      throw new PlatformError('forbidden', `${why}: sign in to the console with a key, or ${howToAuthenticate}`);
    }
    const weakest = weakestRoleWith(permission);
    const takes = weakest === 'admin' ? weakest : `${weakest} or above`;
    throw new PlatformError(
      'forbidden',
      `${caller.keyId} has the role ${caller.role} and lacks the permission ${permission}: use a key of role ${takes}`,
    );
  }

  /** Records a wrong key from this address. Returns the error to send if there were too many, otherwise null. */
  failedFrom(remoteAddress: string | undefined): PlatformError | null {
    return this.#failedAttempts.add(remoteAddress);
  }

  #callerOf(authorization: string, { remoteAddress }: Pick<AccessConnection, 'remoteAddress'>): Caller {
    const colon = authorization.indexOf(':');
    if (colon < 0 || !/^bearer +/i.test(authorization)) {
      throw new PlatformError('unauthenticated', `invalid Authorization header: ${howToAuthenticate}`);
    }
    const known = this.#known.get(authorization.slice(7, colon).trimStart());
    if (known === undefined || !isSame(known.secretBytes, authorization.slice(colon + 1))) {
      const rateLimited = this.failedFrom(remoteAddress);
      throw (
        rateLimited ??
        new PlatformError('unauthenticated', 'the key is unknown or revoked, or its secret is wrong: see `penstock keys list`')
      );
    }
    return known.caller;
  }

  #callerOfSession(token: string, headers: AccessHeaders, connection: AccessConnection): Caller {
    rejectOtherOrigins(headers, connection);
    const caller = this.#sessions.callerOf(token);
    if (caller?.session === undefined) {
      throw new PlatformError('unauthenticated', 'the session has expired or belongs to an earlier start of the server: sign in again');
    }
    const { method } = connection;
    if (method === 'GET' || method === 'HEAD') return caller;
    const shown = headers['x-penstock-csrf'];
    if (typeof shown === 'string' && isSame(Buffer.from(caller.session.csrfToken), shown)) return caller;
    const what = shown === undefined ? 'is missing' : 'does not match the session';
    throw new PlatformError('forbidden', `a mutating call with a session cookie requires the header X-Penstock-CSRF, which ${what}`);
  }

  #cookieFor({ isSecure = false }: Pick<AccessConnection, 'isSecure'>): SessionCookie {
    return isSecure ? this.#cookies.secure : this.#cookies.plain;
  }

  /** With their secrets. */
  keys(): Key[] {
    return Array.from(this.#known.values(), ({ key }) => key);
  }

  /** Writes the file first: a change that cannot be stored does not take effect. */
  #save(keys: readonly Key[]): void {
    writeKeysFile(this.#path, keys);
    this.#use(keys);
  }

  #use(keys: readonly Key[]): void {
    const before = new Map(this.#known);
    this.#known.clear();
    for (const key of keys) {
      const caller = before.get(key.id)?.caller ?? this.#newCaller(key);
      this.#known.set(key.id, { key, secretBytes: Buffer.from(key.secret), caller });
    }
  }

  #newCaller({ id, role, limits }: Key): Caller {
    return { keyId: id, role, ...(limits === undefined ? {} : { limiter: new KeyLimiter(id, limits, this.#clock) }) };
  }
}

/** In the format of AWS. */
function newId(prefix: 'AKIA' | 'ASIA'): string {
  return prefix + Array.from(randomBytes(16), (byte) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[byte & 31]).join('');
}

/** Constant-time comparison; only the length, which is not secret, is compared early. */
function isSame(secret: Buffer, provided: string): boolean {
  const bytes = Buffer.from(provided);
  return bytes.length === secret.length && timingSafeEqual(bytes, secret);
}

/** Whether a Host header can only mean this machine, with any port. */
function isLoopbackHost(host: string | undefined): boolean {
  if (host === undefined) return false;
  const [, ipv6, other] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+))(?::\d{1,5})?$/.exec(host) ?? [];
  if (ipv6 !== undefined) return isLoopback(ipv6);
  return other !== undefined && isLoopback(other);
}

/**
 * Only pages of this server may use a cookie or the loopback trust. Browsers state the origin in `Sec-Fetch-Site`, and in
 * `Origin` for mutating calls. Pages on other ports of this host are other origins, served by other programs.
 */
function rejectOtherOrigins(headers: AccessHeaders, { isSecure = false }: AccessConnection, mayBeProxied = true): void {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') {
    throw new PlatformError(
      'forbidden',
      `the call comes from a page of another origin (Sec-Fetch-Site: ${quoted(String(site))}): only the console's own pages need no key: ${howToAuthenticate}`,
    );
  }
  if (headers.origin === undefined) return;
  // Behind a TLS-terminating proxy, the page has https but this listener does not.
  const [, scheme, host] = /^(https?):\/\/([^/?#@\s]+)$/.exec(headers.origin) ?? [];
  const isOwnScheme = scheme === (isSecure ? 'https' : 'http') || (mayBeProxied && scheme === 'https');
  if (host !== undefined && host === headers.host && isOwnScheme) return;
  throw new PlatformError(
    'forbidden',
    `the call comes from a page of ${quoted(headers.origin)}, expected ${quoted(headers.host)}: only the console's own pages need no key: ${howToAuthenticate}`,
  );
}

/** The header that reveals a proxy or another server; undefined if there is none. Runs for each call without a key. */
function forwardedBy(headers: AccessHeaders): string | undefined {
  for (const name in headers) {
    if ((forwardingHeaders.has(name) || name.startsWith('x-forwarded-')) && headers[name] !== undefined) return name;
  }
  return undefined;
}

function withoutKey(why: string): PlatformError {
  return new PlatformError('forbidden', `a call without a key must come directly from this machine, but ${why}: ${howToAuthenticate}`);
}

function quoted(header: string | undefined): string {
  return header === undefined ? 'missing' : JSON.stringify(header.slice(0, 100));
}
