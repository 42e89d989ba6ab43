/**
 * Prepares the folder of a task: its own root folder, so that a later server does not take the mounts away from a running task, the
 * files that it is lent, and the paths at which it sees them.
 */
import { execFile } from 'node:child_process';
import { chownSync, lstatSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { PlatformError } from '../../errors.ts';
import type { TaskBind, TaskPaths, TaskSpec } from '../tasks/task.ts';
import { type HostFile, type HostFiles, hostFile } from './host-files.ts';
import type { Launch } from './launch.ts';
import { type MountedFolder, RootFolder } from './root-folder.ts';
import { type FileChange, type FolderNames, WorkerFolder, type WorkerOwner } from './worker-folder.ts';

/** Name of the folder that a task finds at /opt/ml. */
export const taskWorkName = 'ml';
/** The name of the only host of a training job. SageMaker's libraries connect to it. */
const hostName = 'algo-1';
const startName = 'start';
/** Half of the memory of a task may be shared memory, through which PyTorch's data loaders pass batches. */
const sharedShare = 0.5;
const sharedMiBMin = 64;

/** The part of a task that decides what it may see. */
export type TaskPlaceRequest = Pick<TaskSpec, 'folder' | 'environment' | 'readOnly' | 'lent' | 'memoryMiB' | 'diskMiB' | 'hasNetwork'>;

/** How a task of an earlier server was isolated, which stays as it is. */
export interface AdoptedTask {
  readonly owner: WorkerOwner | null;
  readonly hasNetwork: boolean;
  readonly isNamespaced: boolean;
}

/** The isolated environment of a task. Created by `Isolation`. */
export interface TaskPlace {
  readonly paths: TaskPaths;
  readonly isNamespaced: boolean;
  readonly owner: WorkerOwner | null;
  /** The environment of the programs that isolate it. Nothing in it is from the task. */
  readonly environment: Readonly<Record<string, string>>;
  /** Where it writes, on the host. */
  readonly folders: readonly string[];
  launch(command: readonly string[]): Launch;
  /** Call it when the task has ended: ends remaining processes and frees its user id. */
  release(): Promise<void>;
  /** Removes the links to files that it was lent. */
  removeLent(): void;
}

/** What preparing a task's folder needs to know about this machine. */
export interface TaskHost {
  readonly owner: WorkerOwner | null;
  /** The paths in the namespaces; null without namespaces. */
  readonly names: FolderNames | null;
  readonly changeFile: FileChange | undefined;
  readonly host: HostFiles;
  readonly hidden: readonly string[];
}

/** The prepared folder, and how to start a command in it. */
export interface PreparedTask {
  readonly folder: WorkerFolder;
  /** The arguments of its namespaces; null without namespaces. */
  readonly root: { readonly root: string; readonly mounts: string } | null;
  /** What it can read without namespaces. */
  readonly files: readonly HostFile[];
  /** The command that runs another one in the environment of the task. */
  readonly start: readonly string[];
  removeLent(): void;
}

/** Throws `unavailable` if a file that it needs does not exist. */
export async function prepareTask(request: TaskPlaceRequest, host: TaskHost): Promise<PreparedTask> {
  const { owner, names } = host;
  const folder = new WorkerFolder(request.folder, owner, names, host.changeFile, { workName: taskWorkName });
  const lent = request.lent.map(({ target, files }) => ({ target, file: folder.lendFolder(files) }));
  const sourceOf = (path: string): string => join(folder.host.input, path.slice(folder.names.input.length));
  const removeLent = (): void => {
    for (const { file } of lent) file.release();
  };
  try {
    const binds = [...request.readOnly, ...lent.map(({ target, file }) => ({ target, source: sourceOf(file.path) }))];
    const own = folder.names.work;
    const inside = binds.filter(({ target }) => target.startsWith(`${own}/`));
    const outside = binds.filter((bind) => !inside.includes(bind)).map(readable);
    for (const bind of inside) makeTarget(folder.host.work, bind.target.slice(own.length + 1), bind.source, names !== null);
    if (owner !== null) await give(folder.host.work, owner);
    writeStart(join(folder.host.input, startName), request.environment, owner);
    const start = ['sh', join(folder.names.input, startName)];
    if (names === null) return { folder, root: null, files: [...outside, ...inside.map(readable)], start, removeLent };
    return { folder, root: mountsOf(request, host, folder, inside, outside), files: outside, start, removeLent };
  } catch (error) {
    removeLent();
    throw error;
  }
}

function mountsOf(
  { folder: path, memoryMiB }: TaskPlaceRequest,
  { host, hidden }: TaskHost,
  folder: WorkerFolder,
  inside: readonly TaskBind[],
  outside: readonly HostFile[],
): { readonly root: string; readonly mounts: string } {
  const hosts = join(path, 'hosts');
  writeFileSync(hosts, `${textOf('/etc/hosts')}\n127.0.0.1 ${hostName}\n`, { mode: 0o644 });
  const ownHosts: HostFile = { path: '/etc/hosts', source: hosts, isFolder: false, isOptional: false };
  const files = [...host.files.filter((file) => file.path !== ownHosts.path), ownHosts];
  const root = new RootFolder({ path: join(path, 'root'), host: { ...host, files }, hidden });
  const folders: readonly MountedFolder[] = [
    { source: folder.host.input, path: folder.names.input, isReadOnly: true },
    { source: folder.host.work, path: folder.names.work, isReadOnly: false },
    { source: folder.host.temporary, path: folder.names.temporary, isReadOnly: false },
    ...inside.map(({ source, target }) => ({ source, path: target, isReadOnly: true })),
  ];
  const mounts = join(path, 'mounts');
  writeFileSync(mounts, root.mounts(folders, outside, Math.max(sharedMiBMin, Math.floor(memoryMiB * sharedShare))), { mode: 0o600 });
  return { root: root.path, mounts };
}

/**
 * A script that sets the variables of a task and becomes its command. The programs that isolate the task run with the server's rights, so they
 * must not see its variables: PATH and LD_PRELOAD would run the task's code with those rights. In arguments, other users would read them.
 */
function writeStart(path: string, environment: Readonly<Record<string, string>>, owner: WorkerOwner | null): void {
  const entries = Object.entries(environment);
  for (const [name, value] of entries) {
    if (name !== '' && !/[=\0]/.test(name) && !value.includes('\0')) continue;
    throw new PlatformError(
      'invalid_request',
      `the variable ${JSON.stringify(name.slice(0, 100))} is invalid: expected a name without =, and no NUL`,
    );
  }
  const isPlain = ([name]: readonly [string, string]): boolean => /^[A-Za-z_]\w*$/.test(name);
  const exports = entries.filter(isPlain).map(([name, value]) => `export ${name}=${quoted(value)}\n`);
  // A shell cannot set such a variable.
  const others = entries.filter((entry) => !isPlain(entry)).map(([name, value]) => quoted(`${name}=${value}`));
  const exec = others.length === 0 ? 'exec "$@"' : `exec env -- ${others.join(' ')} "$@"`;
  writeFileSync(path, `unset OLDPWD\n${exports.join('')}${exec}\n`, { mode: 0o400, flag: 'wx' });
  if (owner !== null) chownSync(path, owner.uid, owner.gid);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function readable({ source, target }: TaskBind): HostFile {
  const file = hostFile(source);
  if (file === null) throw new PlatformError('unavailable', `${source} does not exist, but a task needs it at ${target}`);
  return { ...file, path: target };
}

/**
 * Creates the file or folder that `source` is mounted over, in the task's own folder; without mounts a link to `source`. Others may have
 * written the folder's content, so links in it are not followed.
 */
function makeTarget(base: string, path: string, source: string, isMounted: boolean): void {
  const segments = path.split('/');
  if (segments.some((segment) => segment === '' || segment === '.' || segment === '..')) {
    throw new PlatformError('invalid_request', `${path} is not a path in the folder of a task: expected names separated by /`);
  }
  const parents = isMounted && statSync(source).isDirectory() ? segments : segments.slice(0, -1);
  let at = base;
  for (const segment of parents) {
    at = join(at, segment);
    const status = lstatSync(at, { throwIfNoEntry: false });
    if (status === undefined) mkdirSync(at, { mode: 0o755 });
    else if (!status.isDirectory()) throw new PlatformError('wrong_state', `${at} is not a folder, but a task needs files in it`);
  }
  if (!isMounted) symlinkSync(source, join(base, path));
  else if (parents.length < segments.length) writeFileSync(join(dirname(join(base, path)), segments.at(-1) as string), '', { flag: 'wx' });
}

/** Everything in the folder becomes the task's. Links are not followed. */
async function give(folder: string, { uid, gid }: WorkerOwner): Promise<void> {
  await promisify(execFile)('chown', ['-Rh', `${uid}:${gid}`, '--', folder]);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').trimEnd();
  } catch {
    return '127.0.0.1 localhost';
  }
}
