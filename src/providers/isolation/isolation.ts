/**
 * Isolates workers from the server: its files, its keys, other models, other processes. On start it finds a working mode by
 * trying each with a real process, and starts workers in it.
 */
import { chmodSync, chownSync, existsSync, mkdirSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import type { Random } from '../../random.ts';
import { freeBytesMin, freeSpaceOf } from '../disk/disk-watch.ts';
import { ownProcessesMax, userThreadCount } from '../processes/process-facts.ts';
import { CompileCache } from './compile-cache.ts';
import { type HostFile, type HostFiles, hostFile, hostFiles, isWithin, rejectStateWithin } from './host-files.ts';
import { type Launch, landlockLaunch, landlockRules, namespaceLaunch, openLaunch, workerProcessesMax } from './launch.ts';
import { probe } from './probe.ts';
import { compileCacheFolder, forkFolders, type MountedFolder, namespaceNames, RootFolder, socketFolder } from './root-folder.ts';
import type { IsolationMode, IsolationSettings } from './settings.ts';
import { type AdoptedTask, prepareTask, type TaskPlace, type TaskPlaceRequest, taskWorkName } from './task-place.ts';
import { UidPool } from './uid-pool.ts';
import { type FileChange, WorkerFolder, type WorkerOwner } from './worker-folder.ts';
import { IsolatedWorker, releaseOwner, type WorkerPlace } from './worker-place.ts';

/** The mode in use, as `penstock doctor` and the status show it. */
export interface IsolationStatus {
  /** `unavailable`: no mode works here, and foreign code is not started. */
  readonly mode: IsolationMode | 'unavailable';
  /** Whether each worker has its own user id. */
  readonly hasOwnUsers: boolean;
  /** Why no stronger mode is used; null if there is none. */
  readonly reason: string | null;
  /** How to enable a stronger mode; null if there is no advice. */
  readonly advice: string | null;
}

/** Settings, and the folders of this server that must stay hidden. */
export interface IsolationOptions {
  readonly settings: IsolationSettings;
  readonly changeFile?: FileChange | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: Random;
  /** The state directory of this server. Workers see only their own folders in it. */
  readonly stateDirectory: string;
  /** The folder of the socket that workers connect to, and its path. */
  readonly socket: { readonly folder: string; readonly path: string };
  /** A folder in the state directory, with one folder per worker. */
  readonly workersDirectory: string;
}

/** What a worker is, from which follows what it may see. */
export interface PlaceRequest {
  readonly workerId: string;
  /** Whether the worker runs code that is not the operator's own. */
  readonly isForeign: boolean;
  readonly hasNetwork: boolean;
  /** Host files and folders that the worker can read. */
  readonly paths: readonly string[];
  /** Set for a fork server: its folders on the host. Requires `canFork`. */
  readonly forks?: ForkFolders;
}

/** The folders of a fork server on the host, with an entry per worker. It can write `own` and `memory`. */
export interface ForkFolders {
  readonly inputs: string;
  readonly own: string;
  readonly memory: string;
}

/** An isolation mode, with or without a user id per worker. */
interface Way {
  readonly mode: 'root' | 'user' | 'landlock';
  readonly hasOwnUsers: boolean;
}

const ways: readonly Way[] = [
  { mode: 'root', hasOwnUsers: true },
  { mode: 'user', hasOwnUsers: false },
  { mode: 'landlock', hasOwnUsers: true },
  { mode: 'landlock', hasOwnUsers: false },
];

/** Environment variables that workers inherit. Keys, addresses and NODE_OPTIONS are not passed to models. */
export const inheritedNames = ['PATH', 'LANG', 'LC_ALL', 'TZ', 'LD_LIBRARY_PATH'] as const;

/** How long connections of an ended worker may still wait to be accepted or read. */
const afterEndMs = 60_000;

const isRoot = (): boolean => process.getuid?.() === 0;

/** One per server. Foreign code is not started if no mode works. */
export class Isolation {
  readonly status: IsolationStatus;
  readonly compileCache: CompileCache;
  readonly #options: IsolationOptions;
  readonly #way: Way | null;
  readonly #uids: UidPool;
  readonly #host: HostFiles;
  readonly #hidden: readonly string[];
  readonly #root: RootFolder | null;
  /**
   * Number of foreign workers with network access that run under their own user ids, followed by the number that run under the server's.
   */
  #withOwnUser = 0;
  #unconfined = 0;
  #unconfinedUntilMs = Number.NEGATIVE_INFINITY;
  #mayHaveOutlived = false;
  #ownUserUntilMs = Number.NEGATIVE_INFINITY;

  private constructor(options: IsolationOptions, way: Way | null, refusals: readonly string[]) {
    this.#options = options;
    this.#way = way;
    this.#uids = new UidPool(options.settings.uids, options.random);
    this.#host = hostFiles();
    const { stateDirectory, socket } = options;
    const isNamespaced = way?.mode === 'root' || way?.mode === 'user';
    this.#hidden = [...new Set([stateDirectory, socket.folder].flatMap((path) => [path, realpathSync(path)]))];
    const root = { path: join(stateDirectory, 'isolation-root'), host: this.#host, hidden: this.#hidden };
    this.#root = isNamespaced ? new RootFolder(root) : null;
    const groupId = way?.hasOwnUsers === true ? this.#uids.groupId : null;
    if (groupId !== null) this.#openToGroup(groupId);
    this.compileCache = new CompileCache(join(stateDirectory, 'compile-cache'), groupId);
    const mode = way?.mode ?? (options.settings.mode === 'none' ? 'none' : 'unavailable');
    this.status = { mode, hasOwnUsers: groupId !== null, reason: refusals.join('; ') || null, advice: adviceFor(mode, groupId !== null) };
  }

  /** Tries the modes in order, or only the mode in config.json. Does not throw: `status` has the result. */
  static async open(options: IsolationOptions): Promise<Isolation> {
    const { mode } = options.settings;
    const refusals: string[] = [];
    for (const way of ways.filter((each) => mode === 'auto' || each.mode === mode)) {
      const refusal = await Isolation.#try(options, way, refusals);
      if (refusal instanceof Isolation) return refusal;
      const name = `${way.mode}${way.mode === 'landlock' && way.hasOwnUsers ? ' with own users' : ''}`;
      refusals.push(`${name}: ${refusal}`);
    }
    return new Isolation(options, null, refusals);
  }

  static async #try(options: IsolationOptions, way: Way, refusals: readonly string[]): Promise<Isolation | string> {
    if (process.platform !== 'linux') return 'it requires Linux';
    if (way.hasOwnUsers && !isRoot()) return 'the server is not root';
    if (way.mode === 'user' && isRoot()) return 'the server is root: in a user namespace its workers would be root for the kernel, too';
    try {
      const isolation = new Isolation(options, way, refusals);
      const refusal = await isolation.#probe();
      return refusal ?? isolation;
    } catch (error) {
      return messageOf(error);
    }
  }

  /** Whether workers may be forked: each must get namespaces of its own. */
  get canFork(): boolean {
    return this.#root !== null;
  }

  /** Lets workers enter the folder. */
  openToWorkers(folder: string): void {
    if (this.status.hasOwnUsers) share(folder, this.#uids.groupId, 0o750);
  }

  /** The folder of a forked worker; `path` is that of its own files, `input` that of the files which it is lent. */
  forkedFolder(path: string, input: string, owner: WorkerOwner | null): WorkerFolder {
    return new WorkerFolder(path, owner, namespaceNames, this.#options.changeFile, { forkedInput: input });
  }

  /** Whether the user id belongs to the range of workers, so its connections come from one. */
  isForeignUid(uid: number): boolean {
    return this.status.hasOwnUsers && this.#uids.has(uid) && uid !== this.#uids.groupId;
  }

  /** Whether foreign code with network access runs now under its own user id. */
  hasForeignUsers(): boolean {
    return this.#withOwnUser > 0 || this.#options.clock.nowMs() < this.#ownUserUntilMs;
  }

  /** Whether foreign code with network access runs now that cannot be distinguished from the server by user id. */
  isForeignCodeUnconfined(): boolean {
    return this.#unconfined > 0 || this.#mayHaveOutlived || this.#options.clock.nowMs() < this.#unconfinedUntilMs;
  }

  /**
   * Prepares the isolation of a worker. Returns null if no mode works here and the worker does not need one. Throws `unavailable` if no
   * mode works here and the worker runs foreign code.
   */
  place(request: PlaceRequest): WorkerPlace | null {
    if (this.#way === null) {
      if (!request.isForeign || this.status.mode === 'none') return null;
      throw this.#refusal('model code');
    }
    const paths = request.paths.map((path) => {
      const file = hostFile(path);
      if (file === null) throw new PlatformError('unavailable', `path ${path} of an image does not exist. Correct it in config.json`);
      return file;
    });
    if (this.#root === null) rejectStateWithin(paths, this.#options.stateDirectory);
    const owner = this.#way.hasOwnUsers ? { uid: this.#uids.take(), gid: this.#uids.groupId } : null;
    const names = this.#root === null ? null : namespaceNames;
    const folder = new WorkerFolder(join(this.#options.workersDirectory, request.workerId), owner, names, this.#options.changeFile);
    const cache = this.#linkCompileCache(folder, owner);
    // Without namespaces, a worker reaches the network even if it should not.
    const reachesNetwork = request.hasNetwork || this.#root === null;
    const uncount = request.isForeign && reachesNetwork ? this.#count(owner) : () => undefined;
    const { path: socketPath, folder: socketHostFolder } = this.#options.socket;
    return new IsolatedWorker({
      folder,
      owner,
      uids: this.#uids,
      environment: { ...this.#environment(folder), NODE_COMPILE_CACHE: cache },
      socketPath: this.#root === null ? socketPath : socketPath.replace(socketHostFolder, socketFolder),
      isNamespaced: this.#root !== null,
      launch: (command) => this.#launch(folder, owner, request, paths, command),
      ended: uncount,
    });
  }

  /** Like `place`, for a task. Nothing that it uses belongs to this server: it can outlive it. */
  async placeTask(request: TaskPlaceRequest): Promise<TaskPlace> {
    if (this.#way === null && this.status.mode !== 'none') throw this.#refusal('code of a training job');
    const owner = this.#way?.hasOwnUsers === true ? { uid: this.#uids.take(), gid: this.#uids.groupId } : null;
    try {
      const isNamespaced = this.#root !== null;
      const own = { owner, names: isNamespaced ? namespaceNames : null, changeFile: this.#options.changeFile };
      const prepared = await prepareTask(request, { ...own, host: this.#host, hidden: this.#hidden });
      if (!isNamespaced && this.#way !== null) rejectStateWithin(prepared.files, this.#options.stateDirectory);
      if (!isNamespaced && owner !== null) this.#openPathTo(request.folder, owner.gid);
      const { folder } = prepared;
      const fileBytesMax = largestTaskFile(request);
      const launch = (own: readonly string[]): Launch => {
        const command = [...prepared.start, ...own];
        if (prepared.root !== null) {
          const limits = { processesMax: processesMaxFor(owner, true), fileBytesMax };
          return namespaceLaunch({ ...prepared.root, owner, hasNetwork: request.hasNetwork, kind: 'task', ...limits }, command);
        }
        return this.#way === null ? openLaunch(command) : this.#landlock(folder, owner, prepared.files, fileBytesMax, command);
      };
      return {
        paths: { ml: folder.names.work, temporary: folder.names.temporary },
        isNamespaced,
        owner,
        environment: this.#environment(folder),
        folders: [folder.host.work, folder.host.temporary],
        launch,
        release: this.adoptTask({ owner, hasNetwork: request.hasNetwork, isNamespaced }),
        removeLent: () => prepared.removeLent(),
      };
    } catch (error) {
      if (owner !== null) this.#uids.release(owner.uid);
      throw error;
    }
  }

  /**
   * Counts a task that an earlier server started, and reserves its user id. Call the returned function when the task has ended: it ends
   * processes that remain.
   */
  adoptTask({ owner, hasNetwork, isNamespaced }: AdoptedTask): () => Promise<void> {
    if (owner !== null) this.#uids.reserve(owner.uid);
    const ended = hasNetwork || !isNamespaced ? this.#count(owner) : () => undefined;
    const sharedMemoryOf = isNamespaced ? null : (owner?.uid ?? null);
    const { clock, log } = this.#options;
    return async () => {
      await releaseOwner({ owner, uids: this.#uids, ended, sharedMemoryOf }, clock, log);
    };
  }

  /** Where a task with this folder finds its folders. */
  taskPaths(folder: string): { readonly ml: string; readonly temporary: string } {
    const host = { ml: join(folder, taskWorkName), temporary: join(folder, 'tmp') };
    return this.#root === null ? host : { ml: namespaceNames.work, temporary: namespaceNames.temporary };
  }

  /** Without namespaces, the user of a task must traverse the folders above its own. */
  #openPathTo(folder: string, groupId: number): void {
    const top = this.#options.stateDirectory;
    for (let path = dirname(folder); path.startsWith(top) && path !== top; path = dirname(path)) share(path, groupId, 0o710);
  }

  #refusal(what: string): PlatformError {
    const { reason, advice } = this.status;
    return new PlatformError('unavailable', `${what} is not started because no isolation works here (${reason}). ${advice}`);
  }

  /**
   * Counts a worker that runs foreign code with network access but without isolation, because the operator disabled isolation. Call the
   * returned function when the worker has ended.
   */
  countUnconfined(): () => void {
    return this.#count(null);
  }

  #count(owner: WorkerOwner | null): () => void {
    if (owner === null) this.#unconfined++;
    else this.#withOwnUser++;
    return () => {
      const untilMs = this.#options.clock.nowMs() + afterEndMs;
      if (owner !== null) {
        this.#withOwnUser--;
        this.#ownUserUntilMs = untilMs;
        return;
      }
      this.#unconfined--;
      this.#unconfinedUntilMs = untilMs;
      // Without namespaces or an own user id, a process that leaves its session cannot be found: it may still run.
      if (this.#way?.mode !== 'user') this.#mayHaveOutlived = true;
    };
  }

  #launch(
    folder: WorkerFolder,
    owner: WorkerOwner | null,
    { hasNetwork, forks }: PlaceRequest,
    paths: readonly HostFile[],
    command: readonly string[],
  ): Launch {
    const fileBytesMax = largestFile(this.#options.workersDirectory);
    if (this.#root === null) return this.#landlock(folder, owner, [...paths, ...this.#landlockExtras()], fileBytesMax, command);
    const own = namespaceNames;
    const mounts = join(folder.path, 'mounts');
    const folders = [
      { source: folder.host.input, path: own.input, isReadOnly: true },
      { source: folder.host.work, path: own.work, isReadOnly: false },
      { source: folder.host.temporary, path: own.temporary, isReadOnly: false },
      { source: this.#options.socket.folder, path: socketFolder, isReadOnly: true },
      { source: this.compileCache.path, path: compileCacheFolder, isReadOnly: true },
      ...(forks === undefined ? [] : forkMounts(forks)),
    ];
    writeFileSync(mounts, this.#root.mounts(folders, paths), { mode: 0o600 });
    const kind = forks === undefined ? 'worker' : 'fork-server';
    const limits = { processesMax: processesMaxFor(owner, true), fileBytesMax };
    return namespaceLaunch({ owner, hasNetwork, root: this.#root.path, mounts, kind, ...limits }, command);
  }

  #landlock(
    folder: WorkerFolder,
    owner: WorkerOwner | null,
    paths: readonly HostFile[],
    fileBytesMax: number,
    command: readonly string[],
  ): Launch {
    const present = this.#host.files.filter(({ source, isOptional }) => !isOptional || existsSync(source));
    const read = [...present, ...paths.filter(({ path }) => !isWithin(this.#host.files, path))];
    const rules = landlockRules(read, folder.host, owner !== null);
    const limits = { processesMax: processesMaxFor(owner, false), fileBytesMax };
    return landlockLaunch({ owner, isRoot: isRoot(), ...limits, rules }, command);
  }

  #landlockExtras(): readonly HostFile[] {
    return [this.compileCache.path, this.#options.socket.folder].flatMap((path) => hostFile(path) ?? []);
  }

  #environment({ names }: WorkerFolder): Readonly<Record<string, string>> {
    const inherited = inheritedNames.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value] as const];
    });
    // A user id of the range has no name, which some libraries require.
    const own = { HOME: names.temporary, TMPDIR: names.temporary, USER: 'penstock', LOGNAME: 'penstock' };
    return { ...Object.fromEntries(inherited), ...own };
  }

  #linkCompileCache(folder: WorkerFolder, owner: WorkerOwner | null): string {
    const name = 'compile-cache';
    const at = join(folder.host.input, name);
    mkdirSync(at, { mode: 0o755 });
    chmodSync(at, 0o755);
    const uid = owner?.uid ?? (this.#root === null ? (process.getuid?.() ?? 0) : 0);
    this.compileCache.link(at, this.#root === null ? this.compileCache.path : compileCacheFolder, uid);
    return join(folder.names.input, name);
  }

  /** Gives the workers' group, which has no human member, access to what workers need, and nothing more. */
  #openToGroup(groupId: number): void {
    const { socket, stateDirectory, workersDirectory } = this.#options;
    mkdirSync(workersDirectory, { recursive: true, mode: 0o700 });
    // In namespaces the worker's folders are mounted, so it need not traverse the folders above.
    const passed = this.#root === null ? [stateDirectory, workersDirectory] : [];
    for (const path of [...passed, socket.folder]) share(path, groupId, 0o710);
    share(socket.path, groupId, 0o660);
  }

  /** Returns null if the mode isolates, otherwise the reason why not. */
  async #probe(): Promise<string | null> {
    const secret = join(this.#options.stateDirectory, 'isolation-probe');
    writeFileSync(secret, 'a file of the server', { mode: 0o600 });
    const place = this.place({ workerId: 'probe', isForeign: false, hasNetwork: false, paths: [] });
    if (place === null) return null;
    try {
      return await probe(place, secret);
    } finally {
      await place.end(this.#options.clock, this.#options.log);
      rmSync(secret, { force: true });
    }
  }
}

function processesMaxFor(owner: WorkerOwner | null, isNamespaced: boolean): number {
  const countedWith = owner !== null ? 'own-user' : isNamespaced ? 'namespace' : 'server-user';
  return workerProcessesMax(countedWith, { max: ownProcessesMax(), threads: () => userThreadCount(process.getuid?.() ?? 0) });
}

/** Also limits shared memory. */
const fileBytesMin = 1024 ** 3;

/** The largest file that a worker can write: what is free on the disk of its folder now, less what the server needs. */
function largestFile(folder: string): number {
  return Math.max(fileBytesMin, freeSpaceOf(folder).bytes - freeBytesMin);
}

/**
 * Twice the disk limit of a task: a task whose files exceed the limit is then ended by the supervisor, which reports the reason, and not by a
 * failed write. If the disk is short, its free space decides.
 */
function largestTaskFile({ folder, diskMiB }: TaskPlaceRequest): number {
  return Math.min(largestFile(folder), Math.max(fileBytesMin, 2 * diskMiB * 1024 ** 2));
}

function forkMounts(forks: ForkFolders): readonly MountedFolder[] {
  return [
    { source: forks.inputs, path: forkFolders.inputs, isReadOnly: true },
    { source: forks.own, path: forkFolders.own, isReadOnly: false },
    { source: forks.memory, path: forkFolders.memory, isReadOnly: false },
  ];
}

function share(path: string, groupId: number, mode: number): void {
  chownSync(path, statSync(path).uid, groupId);
  chmodSync(path, mode);
}

function adviceFor(mode: IsolationStatus['mode'], hasOwnUsers: boolean): string | null {
  if (mode === 'root') return null;
  const better =
    'Start the server as root (in Docker with --cap-add SYS_ADMIN), ' +
    'or allow user namespaces (Ubuntu: sysctl kernel.apparmor_restrict_unprivileged_userns=0; Debian: sysctl kernel.unprivileged_userns_clone=1).';
  switch (mode) {
    case 'user':
      return 'For a user id per worker start the server as root.';
    case 'landlock':
      return hasOwnUsers ? better : `${better} Landlock alone protects files, not the server from signals.`;
    case 'none':
      return 'Remove "isolation": {"mode": "none"} from config.json.';
    case 'unavailable':
      return `${better} To run foreign code without isolation, set "isolation": {"mode": "none"} in config.json.`;
  }
}
