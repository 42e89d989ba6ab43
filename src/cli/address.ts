/** Where the verbs find a server and with which key they come. */
import { PlatformError } from '../errors.ts';
import { Failure } from './failure.ts';
import { shellQuoted } from './words.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export const defaultUrl = 'http://127.0.0.1:8080';
export const defaultDataDirectory = './penstock-data';

/**
 * PENSTOCK_URL, else the server that holds the data directory, else the default address; but a directory that the user
 * named (`isGiven`) stands for its own server and no other: throws `Failure` where none runs on it.
 */
export async function serverUrl(env: Environment, dataDirectory: string, isGiven: boolean): Promise<string> {
  const given = env.PENSTOCK_URL;
  if (given !== undefined && given !== '') {
    if (!/^https?:\/\/[^/]+\/?$/.test(given)) throw new Failure(`PENSTOCK_URL is '${given}': expected an address such as ${defaultUrl}`);
    return given;
  }
  const held = await urlOfLock(dataDirectory);
  if (held !== null || !isGiven) return held ?? defaultUrl;
  const word = shellQuoted(dataDirectory);
  throw new Failure(`no server runs on ${word}: start one with \`penstock up --data-dir ${word}\`, or name another --data-dir`);
}

/** Null where no server holds the directory. Throws while one starts: its address is not known yet. */
export async function urlOfLock(dataDirectory: string): Promise<string | null> {
  // Loaded only here: most verbs run with PENSTOCK_URL set, and should not wait for the database drivers.
  const { readLock } = await import('../storage/index.ts');
  const holder = await readLock(dataDirectory);
  if (holder === null) return null;
  if (holder.url === null) {
    throw new PlatformError(
      'unavailable',
      `the server of ${dataDirectory} (process ${holder.pid}) is still starting: try again in a second`,
    );
  }
  return reachable(holder.url);
}

/** A server on every address of its machine is called by the loopback one, which its own certificate names. */
function reachable(url: string): string {
  return url.replace(/^(https?:\/\/)(?:0\.0\.0\.0|\[::\])(?=:|$)/, (_, scheme: string) => `${scheme}127.0.0.1`);
}

/** PENSTOCK_KEY, `ID:SECRET`. */
export function keyOf(env: Environment): string | undefined {
  const key = env.PENSTOCK_KEY;
  if (key === undefined || key === '') return undefined;
  if (!/^[!-9;-~]+:[!-~]+$/.test(key))
    throw new Failure(`PENSTOCK_KEY is not understood: expected ID:SECRET, as \`penstock env\` prints it`);
  return key;
}
