/** The command lines that isolate a worker. Pure: `isolation.ts` decides which one is used. */
import { deviceNames, type HostFile } from './host-files.ts';
import type { FolderNames, WorkerOwner } from './worker-folder.ts';

/** A program with its arguments; no shell is involved. */
export interface Launch {
  readonly program: string;
  readonly args: readonly string[];
}

/** Limit per worker, including threads; enough for a server with libraries that start a thread per core. */
export const processesMax = 1024;

/** What the kernel counts the processes of a worker with. `namespace`: a user namespace of the server's user. */
export type CountedWith = 'own-user' | 'namespace' | 'server-user';

/**
 * RLIMIT_NPROC of a worker. It cannot exceed that of the server, which may not raise it. What counts for the server's user also leaves half
 * of the limit to the server: it must start workers while one of them is at its limit. Processes of that user that start later consume
 * the same limit; only a user per worker or cgroups prevent that.
 */
export function workerProcessesMax(countedWith: CountedWith, server: { readonly max: number; readonly threads: () => number }): number {
  if (countedWith === 'own-user') return Math.min(processesMax, server.max);
  if (countedWith === 'namespace') return Math.min(processesMax, Math.floor(server.max / 2));
  const threads = Math.min(server.threads(), server.max);
  return threads + Math.min(processesMax, Math.floor((server.max - threads) / 2));
}
const openFilesMax = 4096;

/**
 * Process 1 of the worker's pid namespace. It mounts what the worker can see, confines the worker and waits for it: when this
 * shell ends, the kernel ends every process of the namespace. It is not the worker itself because the kernel drops signals
 * without a handler for process 1, and because process 1 must reap orphaned processes. It closes the worker's output streams, so they
 * end with the worker and contain no message of the shell. `pivot_root` removes the host's files for good. `chroot` after it
 * prevents the worker from creating user namespaces. `setsid` gives the worker a process group, by which it ends its children.
 */
const script = (network: string, processes: number) => `set -eu
worker_path=$PATH
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH
mount -n --all --fstab "$2"
${network}ulimit -c 0
ulimit -n ${openFilesMax} 2>/dev/null || true
ulimit -u ${processes} 2>/dev/null || ulimit -p ${processes}
ulimit -f "$3"
cd "$1"
pivot_root . r/old
cd /
umount -n -l /r/old
shift 3
setsid=$(command -v setsid) chroot=$(command -v chroot)
PATH=$worker_path
"$setsid" "$chroot" /r "$@" &
exec >/dev/null 2>&1
wait $!
`;

/** Libraries for distributed training connect to the local machine. Enabled if one of these programs is installed. */
const enableLoopback = '{ ip link set lo up || ifconfig lo up; } >/dev/null 2>&1 || true\n';

/**
 * The same for a fork server, which is process 1 itself: it reaps the workers that it forks. There is no `chroot`, because it must create
 * user namespaces, one for each of them.
 */
const forkServerScript = `set -eu
worker_path=$PATH
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH
mount -n --all --fstab "$2"
mount -n --rbind "$1/r" "$1/r"
ulimit -c 0
ulimit -n ${openFilesMax} 2>/dev/null || true
ulimit -f "$3"
cd "$1/r"
pivot_root . old
cd /
umount -n -l /old
shift 3
PATH=$worker_path
exec "$@"
`;

/** Of modes A and B: a worker in namespaces of its own. */
export interface NamespaceOptions {
  /** null in a user namespace: there the worker is the namespace's root without capabilities. */
  readonly owner: WorkerOwner | null;
  readonly hasNetwork: boolean;
  readonly root: string;
  /** Path of the file that lists the mounts. */
  readonly mounts: string;
  readonly kind: 'worker' | 'fork-server' | 'task';
  /** Including threads. A fork server has no such limit, only its workers. */
  readonly processesMax: number;
  /** The largest file that it can write. */
  readonly fileBytesMax: number;
}

/** The unit of `ulimit -f`. */
const blockBytes = 512;

/** `--pdeathsig`: if the server is killed, or the supervisor of a task, the namespace ends at once. */
export function namespaceLaunch(
  { owner, hasNetwork, root, mounts, kind, processesMax: processes, fileBytesMax }: NamespaceOptions,
  command: readonly string[],
): Launch {
  const forks = kind === 'fork-server';
  const namespaces = ['--mount', '--pid', '--ipc', '--fork', '--kill-child', '--propagation', 'private'];
  if (owner === null) namespaces.unshift('--user', '--map-root-user');
  if (!hasNetwork) namespaces.push('--net');
  const unshare = [
    '--pdeathsig',
    'KILL',
    'unshare',
    ...namespaces,
    'sh',
    '-c',
    forks ? forkServerScript : script(kind === 'task' && !hasNetwork ? enableLoopback : '', processes),
    'penstock-worker',
    root,
    mounts,
    String(Math.floor(fileBytesMax / blockBytes)),
  ];
  return {
    program: 'setpriv',
    args: [...unshare, 'setpriv', ...userArgs(owner), ...(forks && owner === null ? withMapping : withoutRights), ...command],
  };
}

const withoutRights = ['--no-new-privs', '--bounding-set', '-all', '--inh-caps', '-all', '--'];
/** A root user that maps itself into another user namespace needs this capability in its current one. */
const withMapping = ['--no-new-privs', '--bounding-set', '-all,+setfcap', '--inh-caps', '-all', '--'];

function userArgs(owner: WorkerOwner | null): readonly string[] {
  return owner === null ? [] : ['--reuid', String(owner.uid), '--regid', String(owner.gid), '--clear-groups'];
}

/** Of mode L: a worker whose access the kernel restricts by path. */
export interface LandlockOptions {
  /** null if the server may not change the user. */
  readonly owner: WorkerOwner | null;
  /** Whether the server can drop capabilities, which only root can. */
  readonly isRoot: boolean;
  readonly processesMax: number;
  /** The largest file that it can write. */
  readonly fileBytesMax: number;
  readonly rules: readonly string[];
}

/** Runs the command under Landlock rules and limits, without namespaces. */
export function landlockLaunch(
  { owner, isRoot, processesMax: processes, fileBytesMax, rules }: LandlockOptions,
  command: readonly string[],
): Launch {
  const perProcess = ['--core=0:0', `--nproc=${processes}:${processes}`, `--fsize=${fileBytesMax}:${fileBytesMax}`];
  const limits = [...perProcess, ...(isRoot ? [`--nofile=${openFilesMax}:${openFilesMax}`] : [])];
  const rights = isRoot ? withoutRights : ['--no-new-privs', '--'];
  const landlock = ['--landlock-access', 'fs', ...rules.flatMap((rule) => ['--landlock-rule', rule])];
  return { program: 'prlimit', args: [...limits, 'setpriv', ...userArgs(owner), ...landlock, ...rights, ...command] };
}

/** Runs the command of a task without isolation. It ends with its supervisor. */
export function openLaunch(command: readonly string[]): Launch {
  return { program: 'setpriv', args: ['--pdeathsig', 'KILL', '--', ...command] };
}

const readFile = 'execute,read-file';
const readFolder = `${readFile},read-dir`;
const writeFile = 'read-file,write-file';
const ownFolder =
  'execute,write-file,read-file,read-dir,remove-dir,remove-file,make-dir,make-reg,make-sock,make-fifo,make-sym,refer,truncate';

/** A rule per file or folder; anything without a rule cannot be opened. */
export function landlockRules(read: readonly HostFile[], folders: FolderNames, hasSharedMemory: boolean): readonly string[] {
  const reads = read.map(({ source, isFolder }) => rule(isFolder ? readFolder : readFile, source));
  const devices = deviceNames.map((name) => rule(writeFile, `/dev/${name}`));
  const own = [rule(readFolder, folders.input), rule(ownFolder, folders.work), rule(ownFolder, folders.temporary)];
  const shared = hasSharedMemory ? [rule(ownFolder, '/dev/shm')] : [];
  return [...reads, rule('read-file,read-dir', '/proc'), ...devices, ...shared, ...own];
}

function rule(access: string, path: string): string {
  return `path-beneath:${access}:${path}`;
}
