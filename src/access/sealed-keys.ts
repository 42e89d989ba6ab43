/** Encrypts keys for the database (AES-256-GCM): a copy of the database alone, such as a backup, opens nothing. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { messageOf, PlatformError } from '../errors.ts';

const nonceBytes = 12;
const tagBytes = 16;
const prefix = 'v1.';

/** The first one encrypts, each one decrypts: so the key of a cluster can be replaced while its nodes run. */
export type ClusterKeys = readonly [Buffer, ...Buffer[]];

/** A key, and the one that it replaces. */
const keysMax = 2;

/**
 * One or two lines, each of 32 bytes in base64 or hexadecimal. Throws `invalid_request` for another content, or if all users of the machine
 * can read the file.
 */
export function readClusterKeys(path: string): ClusterKeys {
  let text: string;
  let mode: number;
  try {
    text = readFileSync(path, 'utf8').trim();
    ({ mode } = statSync(path));
  } catch (cause) {
    throw new PlatformError('invalid_request', `cannot read the cluster key file: ${messageOf(cause)}`, { cause });
  }
  const advice = 'create it with `(umask 077; openssl rand -base64 32 > FILE)`';
  if ((mode & 0o007) !== 0) throw new PlatformError('invalid_request', `all users can read ${path}: restrict it with chmod 600`);
  const [first, ...others] = text.split(/\s*\n\s*/).map((line) => {
    const key = Buffer.from(line, /^[0-9a-fA-F]{64}$/.test(line) ? 'hex' : 'base64');
    if (key.length === 32 && /^[0-9A-Za-z+/]+=*$/.test(line)) return key;
    throw new PlatformError('invalid_request', `${path}: expected 32 bytes in base64 or hexadecimal: ${advice}`);
  });
  if (first === undefined || others.length >= keysMax) {
    throw new PlatformError('invalid_request', `${path}: expected at most ${keysMax} lines, the new key and the old one`);
  }
  return [first, ...others];
}

/** `context` is bound to the text: it opens in the same context only. */
export function seal(text: string, [key]: ClusterKeys, context: string): string {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(context));
  const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return prefix + sealed.toString('base64');
}

/** Null if the text was sealed with none of the keys, or in another context, or was changed. */
export function unseal(sealed: string, keys: ClusterKeys, context: string): string | null {
  return keys.map((key) => unsealWith(sealed, key, context)).find((text) => text !== null) ?? null;
}

function unsealWith(sealed: string, key: Buffer, context: string): string | null {
  const bytes = Buffer.from(sealed.slice(prefix.length), 'base64');
  if (!sealed.startsWith(prefix) || bytes.length < nonceBytes + tagBytes) return null;
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes });
    decipher.setAAD(Buffer.from(context)).setAuthTag(bytes.subarray(-tagBytes));
    return Buffer.concat([decipher.update(bytes.subarray(nonceBytes, -tagBytes)), decipher.final()]).toString('utf8');
  } catch {
    return null;
  }
}
