/**
 * `keys.json`: the keys of a server, readable by its owner only. The secrets stand there as they are, since checking
 * an AWS signature takes the secret itself.
 */
import { chmodSync, readFileSync, statSync } from 'node:fs';
import { messageOf, PlatformError } from '../errors.ts';
import { writeFileAtomically } from '../storage/index.ts';
import { isRole, type Role, roles } from './roles.ts';

/** What may be shown of a key. */
export interface KeySummary {
  /** As AWS writes them: `AKIA` and 16 of A-Z and 2-7. */
  readonly id: string;
  readonly role: Role;
  readonly description: string;
  /** Epoch milliseconds. */
  readonly createdAtMs: number;
}

export interface Key extends KeySummary {
  readonly secret: string;
}

/** Null where there is no such file. Throws `wrong_state` where it is broken: a server must not guess who may enter. */
export function readKeysFile(path: string): readonly Key[] | null {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null;
    throw new PlatformError('unavailable', `cannot read ${path}: ${messageOf(cause)}`, { cause });
  }
  return parse(content, path);
}

export function writeKeysFile(path: string, keys: readonly Key[]): void {
  writeFileAtomically(path, `${JSON.stringify({ keys }, null, 2)}\n`, { mode: 0o600 });
}

/** A copied file may have come with other rights. */
export function keepToOwner(path: string): void {
  if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600);
}

function parse(content: string, path: string): readonly Key[] {
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
      throw broken(path, `entry ${index} of \`keys\`: expected id, secret, role (${roles.join(', ')}), description, createdAtMs`);
    return entry;
  });
  if (new Set(keys.map(({ id }) => id)).size !== keys.length) throw broken(path, 'two keys have the same id');
  if (!keys.some(({ role }) => role === 'admin')) throw broken(path, 'it holds no admin key');
  return keys;
}

function isKey(entry: unknown): entry is Key {
  if (typeof entry !== 'object' || entry === null) return false;
  const { id, secret, role, description, createdAtMs } = entry as Readonly<Record<string, unknown>>;
  return (
    isWord(id) && isWord(secret) && secret.length >= 16 && isRole(role) && typeof description === 'string' && Number.isFinite(createdAtMs)
  );
}

/** Printable, without blank or colon: it must fit into `Bearer ID:SECRET`. */
function isWord(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x39\x3b-\x7e]{8,128}$/.test(value);
}

function broken(path: string, why: string): PlatformError {
  return new PlatformError(
    'wrong_state',
    `${path} is broken: ${why}; repair it, or move it away and a new admin key is made at the next start`,
  );
}
