/**
 * `keys.json`: the keys of a server, readable only by its owner. Secrets are stored in plain text, because verifying an
 * AWS signature requires the secret itself.
 */
import { chmodSync, readFileSync, statSync } from 'node:fs';
import { writeFileAtomically } from '../data-directory/index.ts';
import { messageOf, PlatformError } from '../errors.ts';
import { isKeyLimits, type KeyLimits } from './key-limits.ts';
import { isRole, type Role, roles } from './roles.ts';

/** A key without its secret. */
export interface KeySummary {
  /** In the format of AWS: `AKIA` and 16 characters of A-Z and 2-7. */
  readonly id: string;
  readonly role: Role;
  readonly description: string;
  /** Epoch milliseconds. */
  readonly createdAtMs: number;
  /** Absent: unlimited. */
  readonly limits?: KeyLimits;
}

/** A key with its secret, which verifying an AWS signature requires. */
export interface Key extends KeySummary {
  readonly secret: string;
}

/** Null if the file does not exist. Throws `wrong_state` if it is broken: a server must not guess its keys. */
export function readKeysFile(path: string): readonly Key[] | null {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null;
    throw new PlatformError('unavailable', `cannot read ${path}: ${messageOf(cause)}`, { cause });
  }
  return parseKeys(content, path);
}

/** Replaces the file atomically; a crash leaves the old or the new content. */
export function writeKeysFile(path: string, keys: readonly Key[]): void {
  writeFileAtomically(path, `${JSON.stringify({ keys }, null, 2)}\n`, { mode: 0o600 });
}

/** A copied file may have other permissions. */
export function restrictToOwner(path: string): void {
  if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600);
}

/** Throws `wrong_state` naming the origin, a path, if the content is broken. */
export function parseKeys(content: string, path: string): readonly Key[] {
  let document: unknown;
  try {
    document = JSON.parse(content);
  } catch {
    throw broken(path, 'it is not JSON'); // the parser's own message would quote secrets
  }
  const entries: unknown = typeof document === 'object' && document !== null && 'keys' in document ? document.keys : undefined;
  if (!Array.isArray(entries)) throw broken(path, 'expected an object with a list of `keys`');
  const keys = entries.map((entry: unknown, index) => {
    if (!isKey(entry))
      throw broken(
        path,
        `entry ${index} of \`keys\`: expected id, secret, role (${roles.join(', ')}), description, createdAtMs, and optional limits`,
      );
    return entry;
  });
  if (new Set(keys.map(({ id }) => id)).size !== keys.length) throw broken(path, 'two keys have the same id');
  if (!keys.some(({ role }) => role === 'admin')) throw broken(path, 'it has no admin key');
  return keys;
}

function isKey(entry: unknown): entry is Key {
  if (typeof entry !== 'object' || entry === null) return false;
  const { id, secret, role, description, createdAtMs, limits } = entry as Readonly<Record<string, unknown>>;
  return (
    isToken(id) &&
    isToken(secret) &&
    secret.length >= 16 &&
    isRole(role) &&
    typeof description === 'string' &&
    Number.isFinite(createdAtMs) &&
    (limits === undefined || isKeyLimits(limits))
  );
}

/** Printable, without spaces or colons, to fit into `Bearer ID:SECRET`. */
function isToken(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x39\x3b-\x7e]{8,128}$/.test(value);
}

function broken(path: string, why: string): PlatformError {
  return new PlatformError(
    'wrong_state',
    `${path} is broken: ${why}. Repair it, or move it away to create a new admin key at the next start`,
  );
}
