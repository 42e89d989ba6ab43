/** Full and read-only disks for tests, if this machine permits mounting. */
import { spawnSync } from 'node:child_process';

/** False if this process may mount in its own namespace; otherwise the reason, which node:test prints. */
export function whyNoMount(): string | false {
  const tried = spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { encoding: 'utf8' });
  return tried.status === 0 ? false : `mounting is not permitted here: ${tried.stderr?.trim() ?? tried.error?.message}`;
}
