/** Tests that run as another user need a checkout that this user can reach. Below /root, for example, only root can. */
import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';

const searchableByOthers = 0o001;

/** For `skip`: false if all users can reach the checkout, otherwise the reason. */
export const privateCheckout: string | false = whyPrivate(join(import.meta.dirname, '..'));

function whyPrivate(folder: string): string | false {
  if ((statSync(folder).mode & searchableByOthers) === 0) return `${folder} is closed to other users: use a checkout that they can reach`;
  return folder === '/' ? false : whyPrivate(dirname(folder));
}
