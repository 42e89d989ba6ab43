/** Workers as local processes. */
import assert from 'node:assert/strict';
import { type Clock, every } from '../clock.ts';
import { defined } from '../defined.ts';
import { messageOf, PlatformError } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import type { EnvironmentRef } from '../python-model.ts';
import { type Random, SystemRandom } from '../random.ts';
import type { WorkerExit } from '../records/index.ts';
import { fetchModel, type MissingModel, type WorkerLink, WorkerLost } from '../runtime/index.ts';
import { CgroupRecord } from './cgroups/cgroup-record.ts';
import { Cgroups } from './cgroups/cgroups.ts';
import { ConcurrencyLimiter } from './concurrency-limiter.ts';
import { type AcceleratedTypes, DeviceShares } from './device-shares.ts';
import { DiskWatch, filesMax, freeBytesMin, freeSpaceOf, noArchive, type WatchedWorker } from './disk/disk-watch.ts';
import { Leftovers } from './disk/leftovers.ts';
import { clearTemporaryLeftovers } from './disk/temporary-leftovers.ts';
import { Isolation, type IsolationStatus } from './isolation/isolation.ts';
import { type IsolationSettings, isolationDefaults } from './isolation/settings.ts';
import type { FileChange } from './isolation/worker-folder.ts';
import { nodeOptions, type WorkerProcessDeps, type WorkerProgram } from './processes/launched-worker.ts';
import { limitAddressSpace, startTicks } from './processes/process-facts.ts';
import { type FetchedModels, SupervisedWorker } from './processes/supervised-worker.ts';
import { WarmPool } from './processes/warm-pool.ts';
import { folderPrefix, WorkerListener } from './processes/worker-listener.ts';
import { WorkerProcess } from './processes/worker-process.ts';
import type { BorrowOptions, Provider, WorkerCommand, WorkerLimits, WorkerPython, WorkerSpec, WorkerView } from './provider.ts';
import { ForkServers, type ForkServerView } from './python/fork-servers.ts';
import { deviceFiles, type PythonProgram } from './python/python-program.ts';
import { LocalTasks } from './tasks/local-tasks.ts';

export interface LocalProviderOptions {
  readonly clock: Clock;
  readonly log: Log;
  /**
   * A directory that belongs to this server. Running processes are recorded there, so that the next server can end those of a killed one.
   */
  readonly stateDirectory: string;
  readonly warmWorkers: number;
  readonly random?: Random;
  /** Delays each start of an instance, to simulate the provisioning of machines; default: none. */
  readonly startDelayMs?: number;
  /** Default: the first mode that works here. */
  readonly isolation?: IsolationSettings;
  /** Called for each line that a worker or its container prints, with the ids of the requests that a Python model printed it for. */
  readonly onLine?: (spec: WorkerSpec, line: string, requestIds: readonly string[]) => void;
  /**
   * Resolves to the path of a verified file with this content: called for each file of a model before a process loads it. If it rejects,
   * none is started. Absent: this provider only lends workers and runs tasks.
   */
  readonly fetchFile?: (sha256: string) => Promise<string>;
  /** Must apply the change of links or permissions that it is called with. The content of the file stays the same. */
  readonly changeModel?: FileChange;
  /** Absent: this server runs no Python. */
  readonly python?: PythonHost;
  /** As `LocalTasksOptions.isServed`. */
  readonly areTasksServed?: () => boolean;
  /** Instance types whose Python workers use a device of this machine; default none. */
  readonly accelerators?: AcceleratedTypes;
}

/** What the provider needs to start Python. */
export interface PythonHost {
  /**
   * The absolute path of the interpreter of an environment, and the folders that it needs. Rejects with `unavailable` or `not_found` if there
   * is none.
   */
  readonly interpreterOf: (environment: EnvironmentRef) => Promise<{ readonly interpreter: string; readonly paths: readonly string[] }>;
  readonly hasNetwork: boolean;
  /** `python.forkServer`: whether workers are forked if their isolation allows it. */
  readonly forks: boolean;
}

/** How a Python worker was started, and the time from the request to its first inference. */
type PythonStartListener = (how: 'fork' | 'spawn', seconds: number) => void;

const diskSetting = 'isolation.diskMiB in config.json limits what a worker writes';
const checkEveryMs = 500;
const borrowedMax = 2;
const borrowTimeoutMs = 60_000;
const borrowMemoryMiB = 4096;

/** Number of providers in this process: tests open several. */
let opened = 0;

interface Opened {
  readonly listener: WorkerListener;
  readonly cgroups: Cgroups;
  readonly isolation: Isolation;
  readonly pool: WarmPool;
  readonly deps: WorkerProcessDeps;
  readonly forkServers: ForkServers;
  readonly tasks: LocalTasks;
  readonly removeFolder: () => void;
}

/** One per server. All processes that it started end with it, and those of a killed server are ended by the next one. */
export class LocalProvider implements Provider {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #random: Random;
  readonly #leftovers: Leftovers;
  readonly #stateDirectory: string;
  readonly #warmWorkers: number;
  readonly #startDelayMs: number;
  readonly #isolation: IsolationSettings;
  readonly #workers = new Map<string, SupervisedWorker>();
  readonly #stopping = new Map<string, Promise<void>>();
  readonly #listeners = new Set<(view: WorkerView) => void>();
  readonly #endListeners = new Set<(id: string, end: WorkerExit | null) => void>();
  readonly #startListeners = new Set<PythonStartListener>();
  readonly #borrowers = new ConcurrencyLimiter(borrowedMax);
  readonly #options: Pick<LocalProviderOptions, 'python' | 'areTasksServed'>;
  readonly #onLine: LocalProviderOptions['onLine'];
  readonly #fetchFile: LocalProviderOptions['fetchFile'];
  readonly #changeModel: LocalProviderOptions['changeModel'];
  #opened: Opened | null = null;
  readonly #disk: DiskWatch;
  readonly #devices: DeviceShares;
  readonly #borrowed = new Set<WatchedWorker>();
  #cancelCheck: () => void = () => undefined;

  constructor(options: LocalProviderOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#random = options.random ?? new SystemRandom();
    this.#leftovers = new Leftovers(options.stateDirectory);
    this.#stateDirectory = options.stateDirectory;
    this.#warmWorkers = options.warmWorkers;
    this.#startDelayMs = options.startDelayMs ?? 0;
    this.#isolation = options.isolation ?? isolationDefaults;
    const worker = { bytes: this.#isolation.diskMiB * 1024 ** 2, files: filesMax };
    const free = () => freeSpaceOf(this.#stateDirectory);
    this.#disk = new DiskWatch({ clock: this.#clock, limits: { worker, freeBytesMin, setting: diskSetting }, free });
    this.#devices = new DeviceShares(options.accelerators ?? {});
    this.#onLine = options.onLine;
    this.#fetchFile = options.fetchFile;
    this.#changeModel = options.changeModel;
  }

  /** Started workers without a model. */
  get warmWorkers(): number {
    return this.#opened?.pool.count ?? 0;
  }

  /** Ends processes left behind by a killed server, then starts the warm workers. */
  async open(): Promise<void> {
    await this.#leftovers.end(this.#clock, this.#log);
    await clearTemporaryLeftovers(folderPrefix, this.#clock, this.#log);
    const listener = await WorkerListener.open(this.#clock, this.#log);
    const name = `${process.pid}-${startTicks(process.pid) ?? '0'}-${++opened}`;
    const cgroups = new Cgroups({ log: this.#log, name, notes: new CgroupRecord(this.#stateDirectory) });
    if (cgroups.limits.reason !== null) this.#log.info({ ...cgroups.limits }, 'some limits of functions cannot be enforced');
    const removeFolder = this.#leftovers.rememberFolder(listener.folder);
    const isolation = await this.#openIsolation(listener);
    const deps = {
      clock: this.#clock,
      log: this.#log,
      listener,
      leftovers: this.#leftovers,
      cgroups,
      isolation,
      changeModel: this.#changeModel,
    };
    const pool = new WarmPool(deps, this.#warmWorkers);
    const forkServers = new ForkServers(deps);
    const own = { clock: this.#clock, log: this.#log, stateDirectory: this.#stateDirectory };
    const tasks = new LocalTasks({ ...own, isolation, cgroups, ...defined({ isServed: this.#options.areTasksServed }) });
    tasks.open();
    this.#opened = { listener, cgroups, isolation, pool, deps, forkServers, tasks, removeFolder };
    this.#cancelCheck = every(this.#clock, checkEveryMs, () => {
      for (const worker of this.#workers.values()) worker.check();
      this.#watchDisk();
    });
  }

  async #openIsolation({ folder, path }: WorkerListener): Promise<Isolation> {
    const isolation = await Isolation.open({
      settings: this.#isolation,
      changeFile: this.#changeModel,
      clock: this.#clock,
      log: this.#log,
      random: this.#random,
      stateDirectory: this.#stateDirectory,
      socket: { folder, path },
      workersDirectory: this.#leftovers.workersDirectory,
    });
    const { mode } = isolation.status;
    const level = mode === 'none' || mode === 'unavailable' ? 'warn' : 'debug';
    this.#log[level]({ ...isolation.status }, 'worker isolation');
    void isolation.compileCache.fill(nodeOptions);
    return isolation;
  }

  /** null before `open`. */
  get isolation(): IsolationStatus | null {
    return this.#opened?.isolation.status ?? null;
  }

  /** Whether foreign code with network access runs now under its own user id. */
  hasForeignUsers(): boolean {
    return this.#opened?.isolation.hasForeignUsers() ?? false;
  }

  /** Whether a connection of this user id comes from a worker. */
  isForeignUid(uid: number): boolean {
    return this.#opened?.isolation.isForeignUid(uid) ?? false;
  }

  /** Whether foreign code with network access runs now that cannot be distinguished from the server by user id. */
  isForeignCodeUnconfined(): boolean {
    return this.#opened?.isolation.isForeignCodeUnconfined() ?? false;
  }

  /** Counts other foreign code that runs with network access and without isolation. Call the returned function when it has ended. */
  countUnconfined(): () => void {
    return this.#opened?.isolation.countUnconfined() ?? (() => undefined);
  }

  /**
   * Limits the memory of another process that the server started: with its children if cgroups are permitted, else the address space of
   * each. Call `end` of the result when they have ended.
   */
  limitMemory(pid: number, bytesMax: number): { readonly wasExceeded: () => boolean; readonly end: () => void } {
    const group = this.limits.memory ? this.#opened?.cgroups.hold(pid, Math.ceil(bytesMax / 2 ** 20)) : null;
    if (group?.holdsMemory !== true) void limitAddressSpace(pid, bytesMax, null);
    return { wasExceeded: () => (group?.memoryKills() ?? 0) > 0, end: () => group?.remove() };
  }

  /** Commands that end by themselves, and outlive this server. */
  get tasks(): LocalTasks {
    return this.#openedOrThrow().tasks;
  }

  /** The fork servers of Python environments, and what they hold. */
  forkServers(): readonly ForkServerView[] {
    return this.#opened?.forkServers.list() ?? [];
  }

  get limits(): WorkerLimits {
    return this.#opened?.cgroups.limits ?? { cpu: false, memory: false, reason: 'the server is starting or stopping' };
  }

  /**
   * Returns as soon as the worker is supervised; its state follows by notification. A worker of that id is not started twice, and one that
   * is still stopping is awaited.
   */
  async start(spec: WorkerSpec): Promise<void> {
    await this.#stopping.get(spec.id);
    const { pool, deps } = this.#openedOrThrow();
    if (this.#workers.has(spec.id)) return;
    const worker = new SupervisedWorker(spec, {
      clock: this.#clock,
      log: this.#log,
      random: this.#random,
      fetchModels: () => this.#fetchModels(spec),
      acquireProcess: async () => {
        if (spec.python !== undefined)
          return this.#startPython(spec.python, spec.threads, spec.kind === 'instance' ? spec.instanceType : null);
        return spec.process === undefined ? pool.take() : WorkerProcess.start(deps, accessOf(spec.process));
      },
      changed: (view) => this.#notify(view),
      ready: (process, ms) => {
        if (spec.python === undefined) return;
        for (const listener of this.#startListeners) listener(process.isForked ? 'fork' : 'spawn', ms / 1000);
      },
      onLine: (line, requestIds = []) => this.#onLine?.(spec, line, requestIds),
      ended: (end) => {
        for (const listener of this.#endListeners) listener(spec.id, end);
      },
      startDelayMs: spec.kind === 'instance' ? this.#startDelayMs : 0,
    });
    this.#workers.set(spec.id, worker);
    this.#notify(worker.view());
  }

  async stop(id: string): Promise<void> {
    const worker = this.#workers.get(id);
    if (worker === undefined) return this.#stopping.get(id);
    this.#workers.delete(id);
    const stopping = worker.stop().finally(() => this.#stopping.delete(id));
    this.#stopping.set(id, stopping);
    await stopping;
  }

  list(): readonly WorkerView[] {
    return [...this.#workers.values()].map((worker) => worker.view());
  }

  link(id: string): WorkerLink | null {
    return this.#workers.get(id)?.link ?? null;
  }

  restart(id: string, reason: string): void {
    this.#workers.get(id)?.restart(reason);
  }

  onChange(listener: (view: WorkerView) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Calls the listener each time the process of a worker ends. The exit is null if the end was requested or the worker had not been ready.
   * Returns a function that unsubscribes.
   */
  onEnded(listener: (id: string, end: WorkerExit | null) => void): () => void {
    this.#endListeners.add(listener);
    return () => this.#endListeners.delete(listener);
  }

  /** Calls the listener each time a Python worker is ready. */
  onPythonStart(listener: PythonStartListener): void {
    this.#startListeners.add(listener);
  }

  /**
   * Only a few borrow at a time; others wait. The process serves one borrower and is then ended: the model may have changed it. A lost
   * worker is an error of the model, with the place where it hung.
   */
  async borrow<T>(use: (link: WorkerLink) => Promise<T>, options: BorrowOptions = {}): Promise<T> {
    const { timeoutMs = borrowTimeoutMs, memoryMiB = borrowMemoryMiB, vcpuMax = null, python } = options;
    const leave = await this.#borrowers.enter();
    try {
      const process = await this.#lendable(python);
      const late: { end: ReturnType<WorkerProcess['killHanging']> | null; reason: string | null } = { end: null, reason: null };
      const watched = watchedBorrower(process, (reason) => {
        late.reason = reason;
      });
      this.#borrowed.add(watched);
      const cancel = this.#clock.after(timeoutMs, () => {
        late.end = process.killHanging();
      });
      try {
        await process.limitMemory(memoryMiB);
        if (vcpuMax !== null || process.tree !== null) process.holdMemory(memoryMiB);
        if (vcpuMax !== null) process.limitCpu(vcpuMax);
        return await use(process.link);
      } catch (error) {
        if (!(error instanceof WorkerLost)) throw error;
        const stack = await late.end;
        const where = stack === null || stack.place === null ? '' : `: it was in ${stack.place}`;
        const how = late.end === null ? (late.reason ?? (await process.ended)) : `it exceeded ${timeoutMs / 1000} s${where}`;
        const details = { cause: error, ...(stack === null ? {} : { lines: stack.lines }) };
        throw new PlatformError('model_failed', `the worker that inspected the model was lost: ${how}`, details);
      } finally {
        cancel();
        this.#borrowed.delete(watched);
        await process.stop();
      }
    } finally {
      leave();
    }
  }

  async #lendable(python: BorrowOptions['python']): Promise<WorkerProcess> {
    const { pool, deps } = this.#openedOrThrow();
    if (python === undefined) return pool.take();
    const { environment, threads, instanceType = null } = python;
    return this.#onDevice(instanceType, async (device) => WorkerProcess.start(deps, await this.#pythonOf(environment, threads, device)));
  }

  /** Forks the worker of an approved model, or spawns it. A fork server never sees a device, so a worker with one is spawned. */
  #startPython({ environment, modules }: WorkerPython, threads: number, instanceType: string | null): Promise<WorkerProcess> {
    const { deps, forkServers } = this.#openedOrThrow();
    return this.#onDevice(instanceType, async (device) => {
      const program = await this.#pythonOf(environment, threads, device);
      const forks = this.#options.python?.forks === true && device === null;
      const forked = forks ? await forkServers.fork(program, modules) : null;
      return forked === null ? WorkerProcess.start(deps, program) : WorkerProcess.admit(deps, forked);
    });
  }

  /** Starts a process with a share of a device if the type has any, until the process has ended. Null: a type without devices. */
  async #onDevice(instanceType: string | null, start: (device: number | null) => Promise<WorkerProcess>): Promise<WorkerProcess> {
    const share = instanceType === null ? null : this.#devices.take(instanceType);
    try {
      const process = await start(share?.device ?? null);
      if (share !== null) void process.ended.then(share.release);
      return process;
    } catch (error) {
      share?.release();
      throw error;
    }
  }

  async #pythonOf(environment: EnvironmentRef, threads: number, device: number | null): Promise<PythonProgram> {
    const { python } = this.#options;
    if (python === undefined)
      throw new PlatformError('unavailable', 'this server runs no Python: set "python": {"run": "after-approval"} in config.json');
    const { interpreter, paths: folders } = await python.interpreterOf(environment);
    const paths = device === null ? folders : [...folders, ...deviceFiles(device)];
    return { kind: 'python', interpreter, paths, threads, device, hasNetwork: python.hasNetwork };
  }

  /** Ends every worker. Running borrowers fail with `unavailable` or `model_failed`. */
  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = null;
    this.#cancelCheck();
    opened?.tasks.close();
    for (const id of this.#workers.keys()) void this.stop(id);
    await Promise.all([...this.#stopping.values(), opened?.pool.close()]);
    await opened?.forkServers.close();
    opened?.listener.close();
    opened?.cgroups.close();
    opened?.removeFolder();
  }

  #openedOrThrow(): Opened {
    if (this.#opened === null) throw new PlatformError('unavailable', 'the server is starting or stopping: no worker can be started now');
    return this.#opened;
  }

  #watchDisk(): void {
    const workers = [...this.#workers.values()].flatMap((worker) => worker.watched ?? []);
    const forkServers = this.#opened?.forkServers.watched(this.#disk.limits.worker) ?? [];
    this.#disk.check([...workers, ...this.#borrowed, ...forkServers]).catch((error: unknown) => {
      this.#log.warn({ error: messageOf(error) }, 'failed to read how much workers write');
    });
  }

  /** Copies the files of all models of a worker to this machine if needed. Of several models, those that are damaged are left out. */
  async #fetchModels(spec: WorkerSpec): Promise<FetchedModels> {
    const fetch = this.#fetchFile;
    assert(fetch !== undefined, 'a provider that starts workers needs fetchFile');
    const files: FetchedModels['files'][number][] = [];
    const damaged: MissingModel[] = [];
    for (const [model, each] of [spec.artifact, ...(spec.plans?.others ?? [])].entries()) {
      try {
        files.push(await fetchModel(each, fetch));
      } catch (error) {
        if (!mayLackModels(spec)) throw error;
        files.push(null);
        damaged.push({ model, reason: messageOf(error) });
      }
    }
    return { files, damaged };
  }

  #notify(view: WorkerView): void {
    for (const listener of this.#listeners) listener(view);
  }
}

function watchedBorrower(process: WorkerProcess, onEnd: (reason: string) => void): WatchedWorker {
  const end = (reason: string): void => {
    onEnd(reason);
    process.kill();
  };
  return { id: `borrowed-${process.pid}`, written: process.written, archive: noArchive, end };
}

/** Whether the worker serves without a model that it cannot load. */
function mayLackModels({ plans, python }: WorkerSpec): boolean {
  return plans !== undefined && python === undefined;
}

function accessOf({ paths = [], isIsolated = true }: WorkerCommand): WorkerProgram {
  return { kind: 'process', paths, isIsolated };
}
