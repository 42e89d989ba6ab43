/** Finds the server's address and the API key for the verbs. */
import { join } from 'node:path';
import { PlatformError } from '../../errors.ts';
import { CliError } from '../cli-error.ts';
import { shellQuoted } from '../output/format.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where a server listens without options. */
export const defaultUrl = 'http://127.0.0.1:8080';
/** Relative to the working directory. Its lock file says where its server listens. */
export const defaultDataDirectory = './penstock-data';

/** How the data directory was chosen. A flag overrides PENSTOCK_URL, as flags override the environment everywhere. */
export type DirectorySource = 'flag' | 'environment' | 'default';

/**
 * PENSTOCK_URL, else the server that has the data directory locked, else the default address. An explicitly named
 * directory means its own server and no other: throws `CliError` if no server runs on it.
 */
export async function serverUrl(env: Environment, dataDirectory: string, source: DirectorySource): Promise<string> {
  const provided = env.PENSTOCK_URL;
  if (source !== 'flag' && provided !== undefined && provided !== '') {
    if (!/^https?:\/\/[^/]+\/?$/.test(provided))
      throw new CliError(`invalid PENSTOCK_URL '${provided}': expected an address such as ${defaultUrl}`);
    return provided;
  }
  const held = await urlOfLock(dataDirectory);
  if (held !== null || source === 'default') return held ?? defaultUrl;
  const word = shellQuoted(dataDirectory);
  throw new CliError(`no server is running on ${word}: start one with \`penstock up --data-dir ${word}\`, or pass another --data-dir`);
}

/** Null if no server holds the directory's lock. Throws while a server is starting: its address is not known yet. */
export async function urlOfLock(dataDirectory: string): Promise<string | null> {
  // Imported lazily: with PENSTOCK_URL set, verbs need no SQLite.
  const { readLock } = await import('../../data-directory/index.ts');
  const holder = await readLock(dataDirectory);
  if (holder === null) return null;
  if (holder.url === null) {
    throw new PlatformError(
      'unavailable',
      `the server on ${dataDirectory} (process ${holder.pid}) is still starting: try again in a second`,
    );
  }
  return reachable(holder.url);
}

/** A server that listens on all addresses is called through loopback, which its self-signed certificate names. */
function reachable(url: string): string {
  return url.replace(/^(https?:\/\/)(?:0\.0\.0\.0|\[::\])(?=:|$)/, (_, scheme: string) => `${scheme}127.0.0.1`);
}

/** PENSTOCK_KEY as `ID:SECRET`. Throws `CliError` if it is malformed. */
export function apiKeyFrom(env: Environment): string | undefined {
  const key = env.PENSTOCK_KEY;
  if (key === undefined || key === '') return undefined;
  if (!/^[!-9;-~]+:[!-~]+$/.test(key)) throw new CliError(`invalid PENSTOCK_KEY: expected ID:SECRET, as printed by \`penstock env\``);
  return key;
}

/**
 * The admin key in the data directory's `keys.json`, if its server is the one at `url`. Read access to that file already means
 * full access, and the server may reject calls without a key. Undefined if the file cannot be read or has no admin key.
 */
export async function storedKey(url: string, dataDirectory: string): Promise<string | undefined> {
  try {
    if ((await urlOfLock(dataDirectory)) !== url) return undefined;
    const { readKeysFile } = await import('../../access/index.ts');
    const key = readKeysFile(join(dataDirectory, 'keys.json'))?.find(({ role }) => role === 'admin');
    return key === undefined ? undefined : `${key.id}:${key.secret}`;
  } catch {
    return undefined; // owned by another user: call without a key
  }
}
