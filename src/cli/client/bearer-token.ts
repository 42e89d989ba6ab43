/** Chooses the token for a server that is not necessarily the user's own. */

import { CliError } from '../cli-error.ts';
import { apiKeyFrom } from './address.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The token in the named variable. Without a name, PENSTOCK_KEY, but only for the server that PENSTOCK_URL names: a key must not
 * leak to other servers.
 */
export function bearerToken(env: Environment, url: string, variable: string | undefined): string | undefined {
  if (variable === undefined) return isOwn(env.PENSTOCK_URL, url) ? apiKeyFrom(env) : undefined;
  const token = env[variable];
  if (token !== undefined && /^[!-~]+$/.test(token)) return token;
  throw new CliError(`the environment variable ${variable} holds no token: expected a single word of printable ASCII characters`, 2);
}

function isOwn(own: string | undefined, url: string): boolean {
  return own !== undefined && URL.canParse(own) && new URL(own).origin === new URL(url).origin;
}
