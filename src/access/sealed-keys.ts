/** Encrypts keys for the database (AES-256-GCM): a copy of the database alone, such as a backup, opens nothing. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { messageOf, PlatformError } from '../errors.ts';

const nonceBytes = 12;
const tagBytes = 16;
const prefix = 'v1.';

/** 32 bytes in base64 or hexadecimal. Throws `invalid_request` for another content, or if all users of the machine can read the file. */
export function readClusterKey(path: string): Buffer {
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
  const key = Buffer.from(text, /^[0-9a-fA-F]{64}$/.test(text) ? 'hex' : 'base64');
  if (key.length !== 32 || !/^[0-9A-Za-z+/]+=*$/.test(text)) {
    throw new PlatformError('invalid_request', `${path}: expected 32 bytes in base64 or hexadecimal: ${advice}`);
  }
  return key;
}

/** `context` is bound to the text: it opens in the same context only. */
export function seal(text: string, key: Buffer, context: string): string {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(context));
  const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return prefix + sealed.toString('base64');
}

/** Null if the text was sealed with another key or in another context, or was changed. */
export function unseal(sealed: string, key: Buffer, context: string): string | null {
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
