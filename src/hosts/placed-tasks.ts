/**
 * The tasks of the home and of its hosts as one. A task is placed once, when its folder is prepared: it never moves. A host that is away may
 * return with its tasks; one that is away for longer than a task lives without a home has lost them.
 */
import { type Clock, every } from '../clock.ts';
import { messageOf, PlatformError } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import type {
  FreeCapacity,
  LocalProvider,
  OpenedTaskFile,
  PreparedFolder,
  TaskAddress,
  TaskEviction,
  TaskFileList,
  TaskInput,
  TaskOutput,
  TaskRequest,
  TaskSpec,
  Tasks,
  TaskView,
  WantedTask,
} from '../providers/index.ts';
import type { HostChoice } from './choose-host.ts';
import type { WorkerSize } from './host.ts';
import type { HostTasks } from './host-tasks.ts';
import type { LinkedHosts } from './linked-hosts.ts';
import type { NewTaskPlacement } from './placement-decisions.ts';
import type { RemoteHost } from './remote-host.ts';

/** The supervisor of a task ends it after 10 minutes without a home, and it may take another minute to stop. */
const lostMsDefault = 660_000;
const checkEveryMs = 1000;
/** A host that could not prepare a task, for example because its disk is full, is passed over for this time. */
const avoidedMs = 60_000;
const hostsTried = 3;
const filesMax = 100_000;

/** Chooses hosts for tasks. */
export interface TaskChooser {
  /** `avoided`: names of hosts. Null: no host is linked. */
  choose(request: TaskRequest, avoided: ReadonlySet<string>): Promise<HostChoice | null>;
  freeCapacity(): FreeCapacity;
  /** What the task occupies on a host; null if no host can run it. */
  sizeOf(task: WantedTask): WorkerSize | null;
}

export interface PlacedTasksDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly local: LocalProvider['tasks'];
  /** The name of the machine of the home. */
  readonly home: string;
  readonly linked: Pick<LinkedHosts, 'hosts' | 'host'>;
  readonly chooser: TaskChooser;
  readonly onPlaced: (placement: NewTaskPlacement) => void;
  /** Why tasks should leave a host; undefined if they may stay. */
  readonly evictionOf: (host: RemoteHost) => TaskEviction | undefined;
  /** How long a host may be away before its tasks are lost, in milliseconds. */
  readonly lostMs?: number;
}

export class PlacedTasks implements Tasks {
  readonly #deps: PlacedTasksDeps;
  readonly #lostMs: number;
  readonly #openedAtMs: number;
  /** The machine of each task that something needs, by id; null for that of the home. */
  readonly #wanted = new Map<string, string | null>();
  /** That hosts should have room for. */
  #demand: readonly WantedTask[] = [];
  /** Whether the tasks of earlier homes are known: before, none is discarded. */
  #areKnown = false;
  readonly #avoided = new Map<string, number>();
  /** Hosts that will not return. */
  readonly #forgotten = new Set<string>();
  readonly #listeners = new Set<(view: TaskView) => void>();
  readonly #waiting = new Set<() => void>();
  readonly #stopChecks: () => void;

  constructor(deps: PlacedTasksDeps) {
    this.#deps = deps;
    this.#lostMs = deps.lostMs ?? lostMsDefault;
    this.#openedAtMs = deps.clock.nowMs();
    deps.local.onChange((view) => this.#notify(view));
    this.#stopChecks = every(deps.clock, checkEveryMs, () => this.#check());
  }

  close(): void {
    this.#stopChecks();
  }

  /** To be called when a host reports a change of a task. */
  changed(view: TaskView): void {
    if (this.#wanted.get(view.id) === view.host) this.#notify(view);
  }

  /** To be called when a host has reported all tasks. Those that nothing needs end there. */
  reported(host: RemoteHost): void {
    this.#forgotten.delete(host.name);
    this.#discardUnwanted(host);
    this.#wake();
  }

  /** To be called when the operator has removed a host: its tasks are lost at once. */
  forget(name: string): void {
    this.#forgotten.add(name);
    this.#deps.linked.host(name)?.tasks.gone();
    this.#wake();
  }

  freeCapacity(): FreeCapacity {
    return this.#deps.chooser.freeCapacity();
  }

  want(tasks: readonly WantedTask[]): void {
    this.#demand = tasks;
  }

  /** What hosts should have room for: tasks that wait, and those that run there. Without those that no host can run. */
  get demand(): readonly WorkerSize[] {
    return this.#demand.flatMap((task) => this.#deps.chooser.sizeOf(task) ?? []);
  }

  async prepare(request: TaskRequest): Promise<PreparedFolder> {
    const { id } = request;
    const before = this.#wanted.get(id);
    if (before !== undefined && before !== null) await this.discard({ id, folder: request.folder, host: before });
    let reason: string | null = null;
    for (let tried = 0; tried < hostsTried; tried++) {
      const choice = await this.#deps.chooser.choose(request, this.#avoidedNow());
      reason = choice?.reason ?? reason;
      if (choice === null || !choice.fits) break;
      const { host } = choice;
      this.#wanted.set(id, host);
      try {
        const prepared = await this.#hostOf(host).prepare(request);
        this.#placed(request, host, choice.reason);
        return { ...prepared, reason };
      } catch (error) {
        this.#wanted.delete(id);
        if (!(error instanceof PlatformError) || this.#isGivenUp(id, host)) throw error;
        this.#avoid(host, messageOf(error));
        reason = `${host} could not prepare it: ${messageOf(error)}`;
      }
    }
    this.#wanted.set(id, null);
    if (reason !== null) this.#placed(request, this.#deps.home, reason);
    return { ...(await this.#deps.local.prepare(request)), machine: this.#deps.home, reason };
  }

  #placed({ id, name, threads, memoryMiB }: TaskRequest, host: string, reason: string): void {
    const { log, onPlaced } = this.#deps;
    log.info({ task: id, host, reason }, 'a task is placed');
    onPlaced({ id, name, host, reason, cpuMilli: 1000 * threads, memoryMiB });
  }

  async makeFolders(at: TaskAddress, paths: readonly string[]): Promise<void> {
    if (at.host === null) return this.#deps.local.makeFolders(at, paths);
    await this.#placing(at.host, (tasks) => tasks.makeFolders(at.id, paths));
  }

  async put(at: TaskAddress, path: string, input: TaskInput): Promise<void> {
    if (at.host === null) return this.#deps.local.put(at, path, input);
    await this.#placing(at.host, (tasks) => tasks.put(at.id, path, input));
  }

  /** If the link breaks meanwhile, this rejects, and `find` waits until it is known whether the task runs. */
  async start(spec: TaskSpec): Promise<void> {
    const host = this.#wanted.get(spec.id) ?? null;
    if (host === null) return this.#deps.local.start(spec);
    await this.#hostOf(host).start(spec);
  }

  async stop(id: string, graceMs?: number): Promise<void> {
    const host = this.#wanted.get(id) ?? null;
    if (host === null) return this.#deps.local.stop(id, graceMs);
    const view = this.#deps.linked.host(host)?.tasks.view(id);
    if (view === undefined || view.state === 'ended' || this.#isGivenUp(id, host)) return;
    await this.#hostOf(host).stop(id, graceMs ?? 0);
  }

  list(): readonly TaskView[] {
    const remote = this.#deps.linked.hosts.flatMap((host) => {
      const eviction = this.#deps.evictionOf(host);
      const views = host.tasks.views.filter(({ id }) => this.#isNeeded(id, host));
      return eviction === undefined ? views : views.map((view) => ({ ...view, eviction }));
    });
    return [...this.#deps.local.list(), ...remote];
  }

  async find(at: TaskAddress, signal: AbortSignal): Promise<TaskView | null> {
    const { id, host: name } = at;
    if (name === null) return this.#deps.local.find(at);
    this.#wanted.set(id, name);
    for (;;) {
      if (this.#isLost(id, name)) return null;
      const host = this.#deps.linked.host(name);
      if (host?.tasks.isReported === true) return host.tasks.view(id) ?? null;
      if (host?.isLinked === true && host.abilities.runsTasks !== true) return null; // its agent was replaced by an earlier version
      signal.throwIfAborted();
      await this.#change();
    }
  }

  onChange(listener: (view: TaskView) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Of a task that is lost, nothing more can be read: what was not read is lost with it. */
  async output(id: string, fromOffset: number): Promise<TaskOutput> {
    const name = this.#wanted.get(id) ?? null;
    if (name === null) return this.#deps.local.output(id, fromOffset);
    const tasks = this.#deps.linked.host(name)?.tasks;
    const isLost = this.#isLost(id, name) || (tasks?.isReported === true && tasks.view(id) === undefined);
    return isLost ? { lines: [], nextOffset: fromOffset } : this.#hostOf(name).output(id, fromOffset);
  }

  files(at: TaskAddress, folder: string, most = filesMax): Promise<TaskFileList> {
    if (at.host === null) return this.#deps.local.files(at, folder, most);
    return this.#reading(at.id, at.host, (tasks) => tasks.files(at.id, folder, most));
  }

  openFile(at: TaskAddress, folder: string, path: string): Promise<OpenedTaskFile | null> {
    if (at.host === null) return this.#deps.local.openFile(at, folder, path);
    return this.#reading(at.id, at.host, (tasks) => tasks.openFile(at.id, folder, path));
  }

  giveUp({ id, host: name }: TaskAddress): boolean {
    const host = this.#deps.linked.host(name ?? this.#wanted.get(id) ?? ''); // its caller may not know yet which host prepares it
    if (host === undefined) return false;
    if (host.tasks.isGivenUp(id)) return true;
    host.tasks.giveUp(id);
    this.#avoid(host.name, `it did not end the task ${id} in its time`);
    this.#wake();
    return true;
  }

  /** While the host is away, the task is only forgotten: it ends when the host returns. One that was given up is not waited for. */
  async discard(at: TaskAddress): Promise<void> {
    this.#wanted.delete(at.id);
    if (at.host === null) return this.#deps.local.discard(at);
    if (this.#isGivenUp(at.id, at.host)) return;
    await this.#deps.linked.host(at.host)?.tasks.discard(at.id);
  }

  async discardOthers(parent: string, needed: readonly TaskAddress[]): Promise<void> {
    for (const { id, host } of needed) if (!this.#wanted.has(id)) this.#wanted.set(id, host);
    this.#areKnown = true;
    for (const host of this.#deps.linked.hosts) if (host.tasks.isReported) this.#discardUnwanted(host);
    await this.#deps.local.discardOthers(
      parent,
      needed.filter(({ host }) => host === null),
    );
  }

  #discardUnwanted(host: RemoteHost): void {
    if (!this.#areKnown) return;
    for (const { id } of host.tasks.views) {
      if (this.#isNeeded(id, host)) continue;
      this.#deps.log.info({ host: host.name, task: id }, 'a task of a host is not needed: it ends');
      host.tasks.discard(id).catch((error: unknown) => {
        this.#deps.log.warn({ host: host.name, task: id, error: messageOf(error) }, 'a task of a host was not removed, will be retried');
      });
    }
  }

  #check(): void {
    for (const host of this.#deps.linked.hosts) {
      if (this.#isGone(host.name)) host.tasks.gone();
      else if (host.tasks.isReported) this.#discardUnwanted(host);
    }
    this.#wake();
  }

  #isNeeded(id: string, host: RemoteHost): boolean {
    return this.#wanted.get(id) === host.name && !host.tasks.isGivenUp(id);
  }

  #isGivenUp(id: string, name: string): boolean {
    return this.#deps.linked.host(name)?.tasks.isGivenUp(id) === true;
  }

  #isLost(id: string, name: string): boolean {
    return this.#isGone(name) || this.#isGivenUp(id, name);
  }

  #isGone(name: string): boolean {
    const { linked, clock } = this.#deps;
    if (this.#forgotten.has(name)) return true;
    const host = linked.host(name);
    if (host === undefined) return clock.nowMs() - this.#openedAtMs > this.#lostMs;
    return !host.hasLink && host.silentMs > this.#lostMs;
  }

  #hostOf(name: string): HostTasks {
    const host = this.#deps.linked.host(name);
    if (host === undefined) throw new PlatformError('unavailable', `host ${name} is away`);
    return host.tasks;
  }

  /** Nothing can be read from a lost host later, either. */
  async #reading<T>(id: string, name: string, read: (tasks: HostTasks) => Promise<T>): Promise<T> {
    if (this.#isLost(id, name)) throw new PlatformError('not_found', `host ${name} is lost with the files of the task`);
    return read(this.#hostOf(name));
  }

  async #placing(name: string, place: (tasks: HostTasks) => Promise<void>): Promise<void> {
    try {
      await place(this.#hostOf(name));
    } catch (error) {
      if (error instanceof PlatformError && error.code === 'unavailable') this.#avoid(name, messageOf(error));
      throw error;
    }
  }

  #avoid(host: string, problem: string): void {
    this.#deps.log.warn({ host, problem }, 'a host could not run a task: it is passed over for a minute');
    this.#avoided.set(host, this.#deps.clock.nowMs() + avoidedMs);
  }

  #avoidedNow(): ReadonlySet<string> {
    for (const [host, untilMs] of this.#avoided) if (this.#deps.clock.nowMs() >= untilMs) this.#avoided.delete(host);
    return new Set(this.#avoided.keys());
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  #notify(view: TaskView): void {
    for (const listener of this.#listeners) listener(view);
  }
}
