/** Changes of the list of keys, wherever it is stored. Pure. */
import { PlatformError } from '../errors.ts';
import type { Key } from './keys-file.ts';

/** Throws `not_found`; `wrong_state` for the last admin key. */
export function remainingKeys(keys: readonly Key[], id: string): Key[] {
  const rest = keys.filter((key) => key.id !== id);
  if (rest.length === keys.length) throw new PlatformError('not_found', `there is no key ${id}: see \`penstock keys list\``);
  if (!rest.some(({ role }) => role === 'admin')) {
    throw new PlatformError('wrong_state', `${id} is the last admin key: create another one before you revoke it`);
  }
  return rest;
}
