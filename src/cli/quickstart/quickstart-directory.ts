import { defaultDataDirectory } from '../client/address.ts';

/**
 * The data directory of a quickstart. That of root is outside of the checkout: its files would stay behind for a user who cannot delete
 * them, and workers with user ids of their own cannot reach a checkout below /root.
 */
export function quickstartDirectory(uid: number | undefined): string {
  return uid === 0 ? '/var/lib/penstock-quickstart' : `${defaultDataDirectory}/quickstart`;
}
