/** Tasks on this machine: starts their supervisors, and follows their folders. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { mkdir, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Clock, every } from '../../clock.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import type { Cgroups } from '../cgroups/cgroups.ts';
import { freeBytesMin, freeSpaceOf } from '../disk/disk-watch.ts';
import { removeTree } from '../disk/remove-tree.ts';
import type { Isolation } from '../isolation/isolation.ts';
import { taskWorkName } from '../isolation/task-place.ts';
import { endProcesses, heldBytesOf, startTicks, treeCpuMs, treeOf } from '../processes/process-facts.ts';
import { markName, runningMarked } from '../processes/process-tree.ts';
import { removeLeftovers } from './leftover-folders.ts';
import { putTaskInput } from './put-input.ts';
import type {
  FreeCapacity,
  OpenedTaskFile,
  PreparedFolder,
  TaskAddress,
  TaskFileList,
  TaskInput,
  TaskOutput,
  TaskPaths,
  TaskRequest,
  TaskSpec,
  Tasks,
  TaskView,
} from './task.ts';
import { listTaskFiles, openTaskFile } from './task-files.ts';
import { taskLaunch } from './task-launch.ts';
import { isRunning, observeTask, type TaskObservation } from './task-observation.ts';
import { readTaskPage, taskOutputOf } from './task-output.ts';
import { claimTask, readTaskFile, type TaskPlan, taskFiles, taskMainPath, taskProcessesMax, writeTaskFile } from './task-plan.ts';

const pollMs = 200;
const signEveryMs = 5_000;
/** A supervisor that this server never saw may still be starting, or run in another container. */
const lostAfterMs = 15_000;
const abandonedMsDefault = 600_000;

/** Where tasks are recorded, and how they are confined. */
export interface LocalTasksOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** The data directory. */
  readonly stateDirectory: string;
  readonly isolation: Isolation;
  readonly cgroups: Cgroups;
  /** Tasks end if no server runs for this time; default 10 minutes. */
  readonly abandonedMs?: number;
  /** False while nothing would miss the tasks, as on a host without a home: they end if that lasts. Default: always true. */
  readonly isServed?: () => boolean;
  /** Space on the disk of a folder beyond what the server needs. Default: as measured. */
  readonly freeBytes?: (folder: string) => number;
}

interface HeldTask {
  readonly folder: string;
  readonly plan: TaskPlan;
  /** Releases the resources of the task, once it has ended. */
  readonly release: () => Promise<void>;
  readonly removeLent: () => void;
  observed: TaskObservation;
  /** Whether this server has seen its supervisor run. */
  wasSeen: boolean;
  isLost: boolean;
  isSettling: boolean;
}

/** Reads folders periodically: a supervisor reports nothing by itself, because it may outlive the server. */
export class LocalTasks implements Tasks {
  readonly #options: LocalTasksOptions;
  /** A file per task, which holds its folder. */
  readonly #records: string;
  readonly #serverSign: string;
  readonly #tasks = new Map<string, HeldTask>();
  readonly #starting = new Map<string, Promise<void>>();
  readonly #listeners = new Set<(view: TaskView) => void>();
  #signAtMs = Number.NEGATIVE_INFINITY;
  #cancelPoll: () => void = () => undefined;

  constructor(options: LocalTasksOptions) {
    this.#options = options;
    this.#records = join(options.stateDirectory, 'tasks');
    this.#serverSign = join(this.#records, 'server');
  }

  /** Finds the tasks of earlier servers. */
  open(): void {
    for (const name of namesIn(this.#records)) {
      if (!/^[0-9a-f]{32}$/.test(name)) continue;
      const folder = readFileSync(join(this.#records, name), 'utf8').trim();
      if (this.adopt(folder) === null) rmSync(join(this.#records, name), { force: true });
    }
    this.#sign();
    this.#cancelPoll = every(this.#options.clock, pollMs, () => this.#poll());
  }

  /** Leaves running tasks to the next server. */
  close(): void {
    this.#cancelPoll();
  }

  /** Where a task with this folder finds its folders. */
  paths(folder: string): TaskPaths {
    return this.#options.isolation.taskPaths(folder);
  }

  async prepare({ id, folder }: TaskRequest): Promise<PreparedFolder> {
    await removeTree(folder);
    await mkdir(join(folder, taskWorkName), { recursive: true });
    return { at: { id, folder, host: null }, paths: this.paths(folder), python: null, machine: null, reason: null };
  }

  async makeFolders({ folder }: TaskAddress, paths: readonly string[]): Promise<void> {
    for (const path of paths) await mkdir(join(folder, taskWorkName, path), { recursive: true });
  }

  async put({ folder }: TaskAddress, path: string, input: TaskInput): Promise<void> {
    const { freeBytes = (of) => freeSpaceOf(of).bytes - freeBytesMin } = this.#options;
    await putTaskInput(join(folder, taskWorkName, path), input, () => freeBytes(folder));
  }

  files({ folder }: TaskAddress, path: string, most?: number): Promise<TaskFileList> {
    return listTaskFiles({ base: join(folder, taskWorkName), path }, most);
  }

  openFile({ folder }: TaskAddress, path: string, file: string): Promise<OpenedTaskFile | null> {
    return openTaskFile({ base: join(folder, taskWorkName), path }, file);
  }

  async find({ folder, host }: TaskAddress): Promise<TaskView | null> {
    return host === null ? this.adopt(folder) : null;
  }

  /** A task that runs is ended first: code that runs could lead the removal elsewhere by links. */
  async discard({ folder }: Pick<TaskAddress, 'folder'>): Promise<void> {
    const task = this.adopt(folder);
    if (task !== null) {
      await this.#endNow(task.id);
      await this.remove(task.id);
    }
    await removeTree(folder);
    await rmdir(dirname(folder)).catch(() => undefined); // other attempts are in it
  }

  discardOthers(parent: string, needed: readonly TaskAddress[]): Promise<void> {
    const folders = new Set(needed.map(({ folder }) => folder));
    return removeLeftovers({ tasks: this, log: this.#options.log }, parent, folders);
  }

  freeCapacity(): FreeCapacity {
    return { take: () => false };
  }

  /** This machine is the only one. */
  want(): void {}

  /** Its supervisor keeps its time. */
  giveUp(): boolean {
    return false;
  }

  /** Kills a task that must not continue. Resolves when it has ended. */
  async #endNow(id: string): Promise<void> {
    const isOver = (): boolean => !this.list().some((view) => view.id === id && (view.state === 'starting' || view.state === 'running'));
    if (isOver()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const unsubscribe = this.onChange(() => {
      if (isOver()) resolve();
    });
    try {
      await this.stop(id, 0);
      if (!isOver()) await promise;
    } finally {
      unsubscribe();
    }
  }

  /** Concurrent calls for one task share one start. */
  async start(spec: TaskSpec): Promise<void> {
    if (this.#tasks.has(spec.id)) return;
    const running = this.#starting.get(spec.id);
    if (running !== undefined) return running;
    const starting = this.#start(spec).finally(() => this.#starting.delete(spec.id));
    this.#starting.set(spec.id, starting);
    await starting;
  }

  async #start(spec: TaskSpec): Promise<void> {
    const { isolation, cgroups } = this.#options;
    const { folder } = spec;
    if (existsSync(join(folder, taskFiles.plan)) || existsSync(join(folder, taskFiles.claim)))
      throw new PlatformError('wrong_state', `${folder} was used by a task: use a new folder`);
    const place = await isolation.placeTask({ ...spec, environment: { ...threadVariables(spec.threads), ...spec.environment } });
    try {
      const mark = createHash('sha256').update(`${spec.id}\0${folder}`).digest('hex').slice(0, 32);
      const groups = cgroups.makeTaskGroups(mark, spec.memoryMiB, taskProcessesMax);
      const groupFolders = groups.locations.map((location) => location.folder);
      const isIdle = spec.isPreemptible || !groups.isWeighted;
      const plan: TaskPlan = {
        id: spec.id,
        ...taskLaunch(place.launch(spec.command), groupFolders, isIdle),
        environment: { ...place.environment, [markName]: mark },
        isNamespaced: place.isNamespaced,
        owner: place.owner,
        hasNetwork: spec.hasNetwork,
        mark,
        groups: groups.locations,
        memoryMiB: spec.memoryMiB,
        diskMiB: spec.diskMiB,
        folders: place.folders,
        maxRuntimeMs: spec.maxRuntimeMs,
        stopGraceMs: spec.stopGraceMs,
        serverSign: this.#serverSign,
        abandonedMs: this.#options.abandonedMs ?? abandonedMsDefault,
      };
      mkdirSync(this.#records, { recursive: true, mode: 0o700 });
      writeFileSync(this.#recordOf(spec.id), folder, { mode: 0o600 });
      this.#sign();
      writeTaskFile(folder, 'plan', plan);
      this.#tasks.set(spec.id, {
        folder,
        plan,
        release: () => place.release(),
        removeLent: () => place.removeLent(),
        observed: { kind: 'starting' },
        wasSeen: false,
        isLost: false,
        isSettling: false,
      });
      this.#spawn(spec.id, folder);
    } catch (error) {
      this.#tasks.delete(spec.id);
      rmSync(this.#recordOf(spec.id), { force: true });
      place.removeLent();
      await place.release();
      throw error;
    }
    this.#notify(spec.id);
  }

  /** In a separate session and without a pipe to this server, so the end of the server does not affect it. */
  #spawn(id: string, folder: string): void {
    const errors = openSync(join(folder, taskFiles.errors), 'a', 0o600);
    try {
      // Not the cache of the workers: code compiled with a supervisor's flags would replace theirs.
      const env = { PATH: process.env['PATH'], NODE_COMPILE_CACHE: join(this.#records, 'compile-cache') };
      const child = spawn(process.execPath, [...supervisorOptions, taskMainPath, folder], {
        cwd: '/',
        env,
        stdio: ['ignore', 'ignore', errors],
        detached: true,
      });
      child.on('error', (error) => this.#options.log.error({ folder, error: error.message }, 'failed to start the supervisor of a task'));
      child.on('exit', () => {
        const task = this.#tasks.get(id);
        if (task === undefined) return;
        task.wasSeen = true;
        this.#poll();
      });
      child.unref();
    } finally {
      closeSync(errors);
    }
  }

  /** Stores the request before it signals the supervisor, so a stop survives a crash of this server. Resolves before the task has ended. */
  async stop(id: string, graceMs?: number): Promise<void> {
    await this.#starting.get(id);
    const task = this.#tasks.get(id);
    if (task === undefined || task.observed.kind === 'ended' || task.isLost) return;
    // The supervisor also polls for the request; the signal only makes it faster.
    writeTaskFile(task.folder, 'stop', { graceMs: graceMs ?? task.plan.stopGraceMs });
    const claim = readTaskFile(task.folder, 'claim');
    if (claim === null || claim.rootPid === null || !isRunning(claim)) return;
    try {
      process.kill(claim.pid, 'SIGTERM');
    } catch {
      // It ended just now.
    }
  }

  list(): readonly TaskView[] {
    return [...this.#tasks].map(([id, task]) => viewOf(id, task));
  }

  /**
   * Takes over the task of an earlier server from the files in its folder. Null if the folder has no plan, or if its task is known from
   * another folder.
   */
  adopt(folder: string): TaskView | null {
    const plan = readTaskFile(folder, 'plan');
    if (plan === null) return null;
    const known = this.#tasks.get(plan.id);
    if (known !== undefined) return known.folder === folder ? viewOf(plan.id, known) : null;
    const observed = observeTask(folder);
    const release = observed.kind === 'ended' ? async () => undefined : this.#options.isolation.adoptTask(plan);
    const task: HeldTask = {
      folder,
      plan,
      release,
      removeLent: () => undefined,
      observed,
      wasSeen: observed.kind === 'starting' || observed.kind === 'running',
      isLost: false,
      isSettling: false,
    };
    this.#tasks.set(plan.id, task);
    // The earlier server may have been killed before its child became a supervisor. Of two supervisors, only one claims the folder.
    const isUnclaimed = observed.kind === 'gone' && observed.claim === null;
    if (isUnclaimed && this.#options.clock.wallMs() - observed.lastSignMs < lostAfterMs) this.#spawn(plan.id, folder);
    return viewOf(plan.id, task);
  }

  onChange(listener: (view: TaskView) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async output(id: string, fromOffset: number): Promise<TaskOutput> {
    return taskOutputOf(await this.outputBytes(id, fromOffset), fromOffset);
  }

  /** A page of output as it is in its file: `taskOutputOf` reads it. */
  async outputBytes(id: string, fromOffset: number): Promise<Buffer> {
    const task = this.#tasks.get(id);
    if (task === undefined) throw new PlatformError('not_found', `there is no task ${id}`);
    return readTaskPage(task.folder, fromOffset);
  }

  /** Forgets a task that has ended and deletes its folder, or only what this provider put there. Throws `wrong_state` while it runs. */
  async remove(id: string, { keepFolder = false }: { readonly keepFolder?: boolean } = {}): Promise<void> {
    const task = this.#tasks.get(id);
    if (task === undefined) return;
    if (task.observed.kind !== 'ended' && !task.isLost) throw new PlatformError('wrong_state', `the task ${id} still runs: stop it first`);
    task.removeLent();
    const paths = keepFolder
      ? ['in', 'tmp', 'root', 'mounts', 'hosts', taskFiles.plan].map((name) => join(task.folder, name))
      : [task.folder];
    for (const path of paths) await removeTree(path);
    rmSync(this.#recordOf(id), { force: true });
    this.#tasks.delete(id);
  }

  #poll(): void {
    if (this.#tasks.size === 0) return;
    this.#sign();
    for (const [id, task] of this.#tasks) {
      if (task.observed.kind !== 'ended' && !task.isLost && !task.isSettling) this.#observe(id, task);
    }
  }

  #observe(id: string, task: HeldTask): void {
    const now = observeTask(task.folder);
    if (now.kind === 'gone') {
      const ageMs = this.#options.clock.wallMs() - now.lastSignMs;
      // If the clock has jumped backwards, the age is meaningless, and the next update would be late.
      if (task.wasSeen || ageMs > lostAfterMs || ageMs < -lostAfterMs) void this.#lose(id, task);
      return;
    }
    task.wasSeen = true;
    if (stateOf(now) === stateOf(task.observed)) return;
    if (now.kind === 'ended') {
      void this.#settle(id, task, now);
      return;
    }
    task.observed = now;
    this.#notify(id);
  }

  async #settle(id: string, task: HeldTask, now: TaskObservation): Promise<void> {
    task.isSettling = true;
    await this.#quietly(id, task.release);
    task.observed = now;
    task.isSettling = false;
    this.#notify(id);
  }

  /** Ends what remains of a task without a supervisor. Nothing of it can start again. */
  async #lose(id: string, task: HeldTask): Promise<void> {
    task.isSettling = true;
    const own = { pid: process.pid, startTicks: startTicks(process.pid), bootId: null, rootPid: null, commandPid: null };
    await this.#quietly(id, async () => {
      if (existsSync(task.folder)) claimTask(task.folder, own);
      await endProcesses(() => runningMarked(task.plan.mark), this.#options.clock);
      await task.release();
    });
    task.isLost = true;
    task.isSettling = false;
    this.#notify(id);
  }

  async #quietly(id: string, run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.#options.log.error({ task: id, error: messageOf(error) }, 'failed to clean up after a task');
    }
  }

  /** Shows supervisors that a server runs. The file exists only while there are tasks. */
  #sign(): void {
    const nowMs = this.#options.clock.nowMs();
    if (nowMs - this.#signAtMs < signEveryMs || this.#options.isServed?.() === false || !existsSync(this.#records)) return;
    this.#signAtMs = nowMs;
    try {
      const now = this.#options.clock.wallMs() / 1000;
      if (existsSync(this.#serverSign)) utimesSync(this.#serverSign, now, now);
      else writeFileSync(this.#serverSign, '', { mode: 0o600 });
    } catch (error) {
      this.#options.log.warn({ error: messageOf(error) }, 'failed to show tasks that a server runs: they end after 10 minutes without one');
    }
  }

  #recordOf(id: string): string {
    return join(this.#records, createHash('sha256').update(id).digest('hex').slice(0, 32));
  }

  #notify(id: string): void {
    const task = this.#tasks.get(id);
    if (task === undefined) return;
    const view = viewOf(id, task);
    for (const listener of this.#listeners) listener(view);
  }
}

/** A supervisor handles text; a small heap is collected often. */
const supervisorOptions = ['--max-old-space-size=64', '--max-semi-space-size=1'];

function threadVariables(threads: number): Readonly<Record<string, string>> {
  return Object.fromEntries(['OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS'].map((name) => [name, String(threads)]));
}

function stateOf({ kind }: TaskObservation): TaskView['state'] {
  return kind === 'gone' ? 'starting' : kind;
}

function viewOf(id: string, { folder, observed, isLost }: HeldTask): TaskView {
  const claim = observed.kind === 'running' ? observed.claim : null;
  const root = claim?.rootPid ?? null;
  const end = observed.kind === 'ended' ? observed.end : null;
  return {
    id,
    folder,
    state: isLost ? 'lost' : stateOf(observed),
    pid: isLost ? null : (claim?.commandPid ?? null),
    get cpuMs() {
      return end?.cpuMs ?? (root === null ? 0 : treeCpuMs(root));
    },
    get rssBytes() {
      return root === null ? 0 : heldBytesOf(treeOf(root), false);
    },
    get diskBytes() {
      return readTaskFile(folder, 'alive')?.diskBytes ?? 0;
    },
    end,
  };
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
