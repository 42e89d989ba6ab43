/** The files by which Linux holds groups of processes (cgroups): where they are, and what is asked of them. */
import { accessSync, constants, existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What is done to them; errors are Node's, with a code such as EACCES. */
export interface CgroupFiles {
  read(path: string): string;
  write(path: string, text: string): void;
  makeFolder(path: string): void;
  /** Only of a group without processes. */
  removeFolder(path: string): void;
  folders(path: string): readonly string[];
  exists(path: string): boolean;
  isWritable(path: string): boolean;
}

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

export type Controller = 'cpu' | 'memory';

/** The group that this process is in, as far as a controller is concerned. */
export interface OwnGroup {
  readonly layout: 'v1' | 'v2';
  /** Where the whole tree begins. */
  readonly mount: string;
  readonly folder: string;
}

/**
 * Where this process stands in the tree of each controller. Version 1 has a tree for each; version 2 has one for all,
 * beside which single controllers may still live in trees of version 1. null where the system has none.
 */
export function ownGroups(files: CgroupFiles): Record<Controller, OwnGroup | null> {
  const own: Record<Controller, OwnGroup | null> = { cpu: null, memory: null };
  if (!files.exists('/proc/self/cgroup') || !files.exists('/proc/self/mountinfo')) return own;
  const mounts = files.read('/proc/self/mountinfo').split('\n').flatMap(mountOf);
  for (const line of files.read('/proc/self/cgroup').split('\n')) {
    // `4:memory:/some/group` in version 1, `0::/some/group` in version 2; a path may hold colons.
    const [, number, listed, path] = /^(\d+):([^:]*):(\/.*)$/.exec(line) ?? [];
    if (number === undefined || listed === undefined || path === undefined) continue;
    const layout = number === '0' && listed === '' ? 'v2' : 'v1';
    for (const controller of ['cpu', 'memory'] as const) {
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
 * Whether this process and its workers, which stand below it, are held to an amount of processor time from outside, as by `docker --cpus`,
 * limits of Kubernetes or `CPUQuota`: by a quota of its group or of one above, as far as a container sees these.
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

/** `35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory` */
function mountOf(line: string): Mount[] {
  const [before = '', after = ''] = line.split(' - ');
  const [, , , root, point] = before.split(' ');
  const [type, , options = ''] = after.split(' ');
  if (root === undefined || point === undefined || (type !== 'cgroup' && type !== 'cgroup2')) return [];
  return [{ layout: type === 'cgroup' ? 'v1' : 'v2', root, point, options: options.split(',') }];
}

/** Empty for the root. Containers see only a part of the tree: the path of the group is told from the whole tree's root. */
function pathBelow(root: string, path: string): string {
  if (path === '/' || path.startsWith('/..')) return '';
  if (root === '/') return path;
  return path.startsWith(`${root}/`) ? path.slice(root.length) : '';
}
