/** The host files that every isolated worker can read: the system's programs and libraries, and this package. Nothing else. */
import { existsSync, readdirSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PlatformError } from '../../errors.ts';
import { workerMainPath } from '../../runtime/index.ts';

/** Programs and libraries. Entries of `/opt` are listed one by one, because `/opt/ml` is the worker's own. */
const systemFolders = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/nix/store', '/gnu/store'];

/** Files of /etc that programs commonly need. All of /etc would include keys and passwords readable by the server's user. */
const etcNames = [
  'alternatives',
  'ca-certificates',
  'fonts',
  'gai.conf',
  'group',
  'host.conf',
  'hosts',
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'localtime',
  'mime.types',
  'nsswitch.conf',
  'passwd',
  'pki/ca-trust',
  'pki/tls/certs',
  'protocols',
  'resolv.conf',
  'services',
  'ssl/certs',
  'ssl/openssl.cnf',
  'timezone',
];

/** Devices in /dev that every worker can use. */
export const deviceNames = ['null', 'zero', 'full', 'random', 'urandom'] as const;

/** A file or folder of the host that workers can read. `source` is its real path. */
export interface HostFile {
  readonly path: string;
  readonly source: string;
  readonly isFolder: boolean;
  /** Whether a worker starts without it if it has been removed meanwhile. */
  readonly isOptional: boolean;
}

/** What workers see of the host, by path. */
export interface HostFiles {
  readonly files: readonly HostFile[];
  /** `/bin` is a link to `usr/bin` on most systems. */
  readonly links: readonly { readonly path: string; readonly to: string }[];
}

/** Reads the current file system. Paths that do not exist are absent. */
export function hostFiles(): HostFiles {
  const links: { path: string; to: string }[] = [];
  const files: HostFile[] = [];
  for (const path of systemFolders) {
    const to = linkAt(path);
    if (to !== null && !to.startsWith('/')) links.push({ path, to });
    else add(files, path);
  }
  for (const name of namesIn('/opt')) if (name !== 'ml') add(files, `/opt/${name}`, true);
  for (const name of etcNames) add(files, `/etc/${name}`);
  for (const path of ['/sys/devices', '/sys/bus/pci/devices']) add(files, path); // CPUs and accelerators, which libraries detect
  for (const path of packageFiles()) if (!isWithin(files, path)) add(files, path);
  return { files, links };
}

/** A file or folder that the operator configured; null if it does not exist. */
export function hostFile(path: string, isOptional = false): HostFile | null {
  try {
    const source = realpathSync(path);
    return { path, source, isFolder: statSync(source).isDirectory(), isOptional };
  } catch {
    return null;
  }
}

/** Whether one of the folders contains the path. */
export function isWithin(files: readonly HostFile[], path: string): boolean {
  return files.some((file) => file.isFolder && (path === file.path || path.startsWith(`${file.path}/`)));
}

/**
 * Throws `unavailable` if one of the folders contains the data directory. Landlock opens whole folders, and hides nothing within; a
 * namespace mounts an empty folder over the data directory.
 */
export function rejectStateWithin(files: readonly HostFile[], stateDirectory: string): void {
  const state = realpathSync(stateDirectory);
  const around = files.find(({ source, isFolder }) => isFolder && (state === source || state.startsWith(`${source}/`)));
  if (around === undefined) return;
  throw new PlatformError(
    'unavailable',
    `path ${around.path} of an image contains the data directory ${state}, which isolation by Landlock cannot hide. ` +
      'Name only the folders that the image needs in config.json',
  );
}

function add(files: HostFile[], path: string, isOptional = false): void {
  const file = hostFile(path, isOptional);
  if (file !== null) files.push(file);
}

/** Node, the sources or the built package, and the folders in which Node looks for packages. */
function packageFiles(): readonly string[] {
  const sources = dirname(dirname(workerMainPath));
  const root = dirname(sources);
  const modules: string[] = [];
  for (let folder = root; ; folder = dirname(folder)) {
    const path = join(folder, 'node_modules');
    if (existsSync(path)) modules.push(path);
    if (folder === dirname(folder)) break;
  }
  return [...modules, sources, join(root, 'package.json'), process.execPath];
}

function linkAt(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
