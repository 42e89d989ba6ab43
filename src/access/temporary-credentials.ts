/**
 * Temporary credentials of a key, as STS issues them: an id, a secret, and a session token that must accompany every request.
 *
 * They are derived from the key's secret and not stored: the token names the key, the session and its end, authenticated with the key's
 * secret; the secret of the session is derived from the token. So they survive a restart, use no memory, and end with their key. A holder
 * of temporary credentials cannot compute the key's secret, nor another token. Pure.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { AssumedRole } from './caller.ts';

/** Credentials for the clients of AWS, with the time at which they end. */
export interface TemporaryCredentials {
  /** In the format of AWS: `ASIA` and 16 characters of A-Z and 2-7. */
  readonly id: string;
  readonly secret: string;
  readonly token: string;
  /** Epoch milliseconds. */
  readonly expiresAtMs: number;
}

/** What a token says. Trusted only after `isAuthentic`. */
export interface SessionClaims extends AssumedRole {
  /** The id of the temporary credentials, so that a token fits no others. */
  readonly id: string;
  /** The key that they were issued to. */
  readonly keyId: string;
}

const tokenLengthMax = 2048;
const prefix = 'ASIA';

/** Whether an access key id is one of temporary credentials; says nothing of its validity. */
export function isTemporaryId(id: string): boolean {
  return id.startsWith(prefix);
}

/** `secret` is the key's. */
export function issueCredentials(claims: SessionClaims, secret: string): TemporaryCredentials {
  const payload = Buffer.from(JSON.stringify(claims)).toString('base64url');
  const token = `${payload}.${derived(secret, 'token', payload).toString('base64url')}`;
  return { id: claims.id, secret: sessionSecret(token, secret), token, expiresAtMs: claims.expiresAtMs };
}

/** Parses a token of any origin. Null if it cannot be one of ours. */
export function readClaims(token: string): SessionClaims | null {
  if (token.length > tokenLengthMax) return null;
  const [payload = '', mac, ...rest] = token.split('.');
  if (mac === undefined || rest.length > 0) return null;
  let claims: unknown;
  try {
    claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
  } catch {
    return null;
  }
  return isClaims(claims) ? claims : null;
}

/** Whether the token was issued with this secret. Runs in constant time. */
export function isAuthentic(token: string, secret: string): boolean {
  const dot = token.indexOf('.');
  const expected = Buffer.from(derived(secret, 'token', token.slice(0, dot)).toString('base64url'));
  const provided = Buffer.from(token.slice(dot + 1));
  return provided.length === expected.length && timingSafeEqual(provided, expected);
}

/** The secret of the credentials that the token belongs to. */
export function sessionSecret(token: string, secret: string): string {
  return derived(secret, 'secret', token).subarray(0, 30).toString('base64'); // 40 characters, as AWS has them
}

/** The purpose separates the uses of a key's secret from each other and from Signature Version 4, whose keys begin with `AWS4`. */
function derived(secret: string, purpose: 'token' | 'secret', text: string): Buffer {
  return createHmac('sha256', `penstock-session-${purpose}:${secret}`).update(text).digest();
}

function isClaims(value: unknown): value is SessionClaims {
  if (typeof value !== 'object' || value === null) return false;
  const { id, keyId, role, session, expiresAtMs, job } = value as Readonly<Record<string, unknown>>;
  if (job !== undefined && typeof job !== 'string') return false;
  return [id, keyId, role, session].every((text) => typeof text === 'string') && Number.isSafeInteger(expiresAtMs);
}
