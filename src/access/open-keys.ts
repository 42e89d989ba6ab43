/** Where keys are changed: in the database if the server has a cluster key, else in `keys.json`. */
import type { Clock } from '../clock.ts';
import type { Closers } from '../closers.ts';
import type { Config } from '../config.ts';
import type { Database } from '../storage/index.ts';
import type { Access } from './access.ts';
import { readClusterKeys } from './sealed-keys.ts';
import { type KeyChanges, SharedKeys } from './shared-keys.ts';

export async function openKeys(
  { clusterKeyFile }: Pick<Config, 'clusterKeyFile'>,
  { db, clock, access }: { readonly db: Database; readonly clock: Clock; readonly access: Access },
  closers: Closers,
): Promise<KeyChanges> {
  if (clusterKeyFile === null) return keysOfFile(access);
  const clusterKeys = readClusterKeys(clusterKeyFile);
  // The absence of the database is reported once for all.
  return closers.add(await SharedKeys.open({ db, clock, access, clusterKeys, onFailure: () => undefined }));
}

/** Keys in `keys.json`. */
export function keysOfFile(access: Access): KeyChanges {
  return {
    create: async (role, description, limits) => access.create(role, description, limits),
    revoke: async (id) => access.revoke(id),
    reseal: async () => undefined,
  };
}
