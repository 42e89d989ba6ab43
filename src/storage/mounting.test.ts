/** Full and read-only disks for the tests, where this machine permits mounting. */
import { spawnSync } from 'node:child_process';

/** Whether this process may mount in a namespace of its own; else why not, for node:test to print. */
export function whyNoMount(): string | false {
  const tried = spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { encoding: 'utf8' });
  return tried.status === 0 ? false : `mounting is not permitted here: ${tried.stderr?.trim() ?? tried.error?.message}`;
}
