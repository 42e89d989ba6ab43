/** The answer to a name that no environment has. Pure. */

import { PlatformError } from '../errors.ts';
import { sameName } from '../names.ts';
import { recipeOf } from './recipes.ts';

const listedMax = 10;

/** Names are case-insensitive. Throws `invalid_request` that lists the known ones. */
export function expectOneOf(name: string, known: readonly string[]): void {
  if (known.some((each) => sameName(each, name))) return;
  const more = known.length > listedMax ? ` and ${known.length - listedMax} more` : '';
  const options = recipeOf(name) === null ? ' --requirements FILE' : '';
  throw new PlatformError(
    'invalid_request',
    `there is no environment '${name}': expected one of ${known.slice(0, listedMax).join(', ')}${more}. ` +
      `Create it with \`penstock environments create ${name}${options}\``,
  );
}
