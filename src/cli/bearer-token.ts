/** With which token a server is called that may be anybody's. */
import { keyOf } from './address.ts';
import { Failure } from './failure.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What stands in the variable that was named; else PENSTOCK_KEY, but only for the server that PENSTOCK_URL names: a key is told to
 * nobody else.
 */
export function bearerToken(env: Environment, url: string, variable: string | undefined): string | undefined {
  if (variable === undefined) return isOwn(env.PENSTOCK_URL, url) ? keyOf(env) : undefined;
  const token = env[variable];
  if (token !== undefined && /^[!-~]+$/.test(token)) return token;
  throw new Failure(`${variable} holds no token: expected one word in that environment variable`, 2);
}

function isOwn(own: string | undefined, url: string): boolean {
  return own !== undefined && URL.canParse(own) && new URL(own).origin === new URL(url).origin;
}
