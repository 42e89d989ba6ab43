/** The files that control Linux control groups (cgroups): their paths and the operations on them. */
import { accessSync, constants, existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Operations on cgroup files. They throw Node's errors, with a code such as EACCES. */
export interface CgroupFiles {
  read(path: string): string;
  write(path: string, text: string): void;
  makeFolder(path: string): void;
  /** Fails while the group has processes. */
  removeFolder(path: string): void;
  folders(path: string): readonly string[];
  exists(path: string): boolean;
  isWritable(path: string): boolean;
}

/** The files of the kernel. Tests pass others, because creating groups needs rights. */
export const systemFiles: CgroupFiles = {
  read: (path) => readFileSync(path, 'utf8'),
  write: (path, text) => writeFileSync(path, text),
  makeFolder: (path) => {
    mkdirSync(path, { mode: 0o755 });
  },
  removeFolder: (path) => rmdirSync(path),
  folders: (path) =>
    readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name),
  exists: existsSync,
  isWritable: (path) => {
    try {
      accessSync(path, constants.W_OK);
      return true;
    } catch {
      return false;
    }
  },
};

/** What a group can limit. */
export type Controller = 'cpu' | 'memory' | 'pids';

/** The group of this process for one controller. */
export interface OwnGroup {
  readonly layout: 'v1' | 'v2';
  /** Mount point of the hierarchy. */
  readonly mount: string;
  readonly folder: string;
}

/**
 * The group of this process for each controller; null for a controller that the system does not have. Version 1 has one hierarchy per
 * controller. Version 2 has a common hierarchy, next to which some controllers may still use version 1.
 */
export function ownGroups(files: CgroupFiles): Record<Controller, OwnGroup | null> {
  const own: Record<Controller, OwnGroup | null> = { cpu: null, memory: null, pids: null };
  if (!files.exists('/proc/self/cgroup') || !files.exists('/proc/self/mountinfo')) return own;
  const mounts = files.read('/proc/self/mountinfo').split('\n').flatMap(mountOf);
  for (const line of files.read('/proc/self/cgroup').split('\n')) {
    // `4:memory:/some/group` in version 1, `0::/some/group` in version 2; a path can contain colons.
    const [, number, listed, path] = /^(\d+):([^:]*):(\/.*)$/.exec(line) ?? [];
    if (number === undefined || listed === undefined || path === undefined) continue;
    const layout = number === '0' && listed === '' ? 'v2' : 'v1';
    for (const controller of ['cpu', 'memory', 'pids'] as const) {
      if (layout === 'v1' && !listed.split(',').includes(controller)) continue;
      if (layout === 'v2' && own[controller] !== null) continue; // version 2 is listed last
      const mount = mounts.find((each) => each.layout === layout && (layout === 'v2' || each.options.includes(controller)));
      if (mount === undefined) continue;
      own[controller] = { layout, mount: mount.point, folder: mount.point + pathBelow(mount.root, path) };
    }
  }
  return own;
}

/**
 * Whether a CPU quota applies to this process and its workers below it, as with `docker --cpus`, Kubernetes limits or `CPUQuota`:
 * a quota of its group or of a visible parent.
 */
export function hasCpuQuota(files: CgroupFiles = systemFiles): boolean {
  const own = ownGroups(files).cpu;
  if (own === null) return false;
  const [name, none] = own.layout === 'v1' ? ['cpu.cfs_quota_us', '-1'] : ['cpu.max', 'max'];
  for (let folder = own.folder; folder.length >= own.mount.length; folder = dirname(folder)) {
    const path = join(folder, name);
    if (files.exists(path) && files.read(path).trim().split(' ')[0] !== none) return true;
  }
  return false;
}

interface Mount {
  readonly layout: 'v1' | 'v2';
  readonly root: string;
  readonly point: string;
  readonly options: readonly string[];
}

/** Parses a line of mountinfo: `35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory`. */
function mountOf(line: string): Mount[] {
  const [before = '', after = ''] = line.split(' - ');
  const [, , , root, point] = before.split(' ');
  const [type, , options = ''] = after.split(' ');
  if (root === undefined || point === undefined || (type !== 'cgroup' && type !== 'cgroup2')) return [];
  return [{ layout: type === 'cgroup' ? 'v1' : 'v2', root, point, options: options.split(',') }];
}

/**
 * The path of the group relative to the mounted root; empty for that root itself. A container sees only part of the hierarchy, but the path
 * of its group starts at the root of the whole hierarchy.
 */
function pathBelow(root: string, path: string): string {
  if (path === '/' || path.startsWith('/..')) return '';
  if (root === '/') return path;
  return path.startsWith(`${root}/`) ? path.slice(root.length) : '';
}
