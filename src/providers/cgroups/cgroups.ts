/**
 * Limits the memory and CPU of workers with Linux control groups (cgroups). Each worker has a group below one that belongs to this server.
 * That one is below the group the server was started in, so limits of the server apply to its workers too. If cgroups are not permitted,
 * workers run without limits, and `limits` has the reason.
 */
import { join } from 'node:path';
import { messageOf } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import type { WorkerLimits } from '../provider.ts';
import { type CgroupFiles, type Controller, type OwnGroup, ownGroups, systemFiles } from './cgroup-files.ts';
import type { CgroupRecord } from './cgroup-record.ts';

/** Short, so that the quota slows a run of a few milliseconds as much as a long one. */
const periodUs = 10_000;
/** The kernel's minimum. */
const quotaUsMin = 1_000;
/** A lower limit would end even a worker without a model, before it could report why. */
const memoryMiBMin = 16;

/** A location in which groups with some controllers can be created. */
export interface CgroupLocation {
  readonly layout: 'v1' | 'v2';
  readonly folder: string;
  readonly controllers: readonly Controller[];
}

/** The groups of a task, which its supervisor removes. */
export interface TaskGroups {
  readonly locations: readonly CgroupLocation[];
  /** Whether workers get more CPU time than tasks. */
  readonly isWeighted: boolean;
}

/** CPU time of all tasks of a server for each 100 of its workers, while both want more than there is. */
const taskWeight = 20;
/** The default of version 1 corresponds to 100 in version 2. */
const sharesPer100 = 1024;

/** Where groups are created, and under which name. */
export interface CgroupsOptions {
  readonly log: Log;
  /** Unique on this machine: the server's pid and start time. */
  readonly name: string;
  /** Records the folders for the next server, in case this one is killed. */
  readonly notes: CgroupRecord;
  readonly files?: CgroupFiles;
}

/** Open it once for each server; `limits` says what can be enforced. */
export class Cgroups {
  readonly limits: WorkerLimits;
  readonly #files: CgroupFiles;
  readonly #log: Log;
  readonly #notes: CgroupRecord;
  readonly #locations: readonly CgroupLocation[];
  readonly #undo: (() => void)[] = [];
  /** Groups whose processes have ended, but which the kernel does not remove yet. */
  readonly #unremoved = new Set<string>();

  /** Detects the available limits, and removes groups of killed servers. Does not throw. */
  constructor({ log, name, notes, files = systemFiles }: CgroupsOptions) {
    this.#files = files;
    this.#log = log;
    this.#notes = notes;
    for (const folder of notes.list()) if (this.#removeTree(folder)) notes.discard(folder);
    const reasons: string[] = [];
    const places: CgroupLocation[] = [];
    for (const { own, controllers } of trees(files)) {
      const isOptional = controllers.includes('pids');
      try {
        if (own === null) throw new Error('the system does not have this controller');
        places.push(this.#open(own, name, controllers));
      } catch (error) {
        if (isOptional) log.debug({ error: messageOf(error) }, 'cgroups cannot limit the number of processes here: using RLIMIT_NPROC');
        else reasons.push(`${controllers.join(' and ')}: ${messageOf(error)}`);
      }
    }
    this.#locations = places;
    const held = new Set(places.flatMap((position) => position.controllers));
    this.limits = {
      cpu: held.has('cpu'),
      memory: held.has('memory'),
      reason: reasons.length === 0 ? null : `cgroups cannot limit workers here (${reasons.join('; ')})`,
    };
  }

  /** Moves a process into its own group; null if groups are not available. The process must be a child of this server. */
  hold(pid: number, memoryMiB: number | null, processesMax: number | null = null): WorkerGroup | null {
    this.#removeLate();
    const folders: string[] = [];
    const held: CgroupLocation[] = [];
    for (const position of this.#locations) {
      const folder = join(position.folder, String(pid));
      try {
        if (!this.#files.exists(folder)) this.#files.makeFolder(folder);
        folders.push(folder);
        if (memoryMiB !== null && position.controllers.includes('memory')) limitMemory(this.#files, position.layout, folder, memoryMiB);
        if (processesMax !== null && position.controllers.includes('pids'))
          this.#files.write(join(folder, 'pids.max'), String(processesMax));
        this.#files.write(join(folder, 'cgroup.procs'), String(pid));
        held.push({ ...position, folder });
      } catch (error) {
        this.#log.warn({ pid, folder, error: messageOf(error) }, 'failed to move a worker into its cgroup: it runs without limits');
      }
    }
    if (folders.length === 0) return null;
    return new WorkerGroup(this.#files, held, () => {
      for (const folder of folders) this.#unremoved.add(folder);
      this.#removeLate();
    });
  }

  /**
   * Creates the groups of a task: outside of the group of the workers, and with less weight, because a task outlives this server and would
   * then compete with the workers of the next one as an equal.
   */
  makeTaskGroups(name: string, memoryMiB: number, processesMax: number): TaskGroups {
    const locations: CgroupLocation[] = [];
    let isWeighted = false;
    for (const { layout, folder: own, controllers } of this.#locations) {
      const parent = `${own}${tasksSuffix}`;
      const folder = join(parent, name);
      try {
        if (!this.#files.exists(parent)) this.#openTasks(layout, parent, controllers);
        if (!this.#files.exists(folder)) this.#files.makeFolder(folder);
        if (controllers.includes('memory')) limitMemory(this.#files, layout, folder, memoryMiB);
        if (controllers.includes('pids')) this.#files.write(join(folder, 'pids.max'), String(processesMax));
        locations.push({ layout, folder, controllers });
        isWeighted ||= controllers.includes('cpu');
      } catch (error) {
        this.#log.warn({ folder, error: messageOf(error) }, 'failed to create the cgroup of a task: its supervisor limits it');
        this.#removeTree(folder);
      }
    }
    return { locations, isWeighted };
  }

  #openTasks(layout: 'v1' | 'v2', parent: string, controllers: readonly Controller[]): void {
    this.#notes.remember(parent);
    this.#files.makeFolder(parent);
    if (layout === 'v2') enable(this.#files, parent, controllers);
    if (!controllers.includes('cpu')) return;
    if (layout === 'v2') this.#files.write(join(parent, 'cpu.weight'), String(taskWeight));
    else this.#files.write(join(parent, 'cpu.shares'), String(Math.round((sharesPer100 * taskWeight) / 100)));
    // A weight divides time but does not preempt: a request would wait for the end of a task's time slice, several times on its way.
    const idle = join(parent, 'cpu.idle'); // Linux 5.15; in both versions
    if (this.#files.exists(idle)) this.#files.write(idle, '1');
  }

  /** Removes the groups of this server, except those of running workers and tasks, which the next server removes. */
  close(): void {
    this.#removeLate();
    const folders = this.#locations.flatMap(({ folder }) => [folder, `${folder}${tasksSuffix}`]);
    for (const folder of folders) if (this.#removeTree(folder)) this.#notes.discard(folder);
    for (const undo of this.#undo.splice(0).reverse()) undo();
  }

  /** Creates the group of this server and tests the needed operations on a worker's group. Throws with advice. */
  #open(own: OwnGroup, name: string, controllers: readonly Controller[]): CgroupLocation {
    const { layout } = own;
    const parent = layout === 'v1' ? own.folder : this.#parentOfV2(own, name, controllers);
    const folder = join(parent, `penstock-${name}`);
    const trial = join(folder, 'trial');
    try {
      this.#notes.remember(folder);
      this.#files.makeFolder(folder);
      if (layout === 'v2') enable(this.#files, folder, controllers);
      const hasPids = layout === 'v2' && this.#enablesPids(parent, folder);
      this.#files.makeFolder(trial);
      if (controllers.includes('cpu')) limitCpu(this.#files, layout, trial, 0.5);
      if (controllers.includes('memory')) limitMemory(this.#files, layout, trial, 1024);
      this.#files.removeFolder(trial);
      return { layout, folder, controllers: hasPids ? [...controllers, 'pids'] : controllers };
    } catch (error) {
      if (this.#removeTree(folder)) this.#notes.discard(folder);
      throw error;
    }
  }

  /** In version 2 the number of processes is limited in the same groups as memory, if permitted. */
  #enablesPids(parent: string, folder: string): boolean {
    try {
      enable(this.#files, parent, ['pids']);
      enable(this.#files, folder, ['pids']);
      return true;
    } catch {
      return false;
    }
  }

  /**
   * In version 2 a group has either processes or child groups with limits. So there are two options. If this process is alone in its group,
   * it moves to a group next to those of the workers. Otherwise the parent must be writable and the current group without limits.
   */
  #parentOfV2(own: OwnGroup, name: string, controllers: readonly Controller[]): string {
    const files = this.#files;
    const available = words(files.read(join(own.folder, 'cgroup.controllers')));
    const missing = controllers.filter((controller) => !available.includes(controller));
    if (missing.length > 0) throw new Error(`${own.folder} has no ${missing.join(' and ')} controller; ${delegationHint}`);
    let failure: unknown;
    try {
      enable(files, own.folder, controllers);
      return own.folder;
    } catch (error) {
      failure = error;
    }
    const isAlone = words(files.read(join(own.folder, 'cgroup.procs'))).every((pid) => pid === String(process.pid));
    if (isAlone && files.isWritable(join(own.folder, 'cgroup.subtree_control'))) {
      return this.#leaveOwnGroup(own.folder, name, controllers);
    }
    const above = join(own.folder, '..');
    if (own.folder !== own.mount && isUnlimited(files, own.folder) && files.isWritable(join(above, 'cgroup.procs'))) {
      enable(files, above, controllers);
      return above;
    }
    throw new Error(`${messageOf(failure)}; ${delegationHint}`);
  }

  #leaveOwnGroup(folder: string, name: string, controllers: readonly Controller[]): string {
    const files = this.#files;
    const aside = join(folder, `penstock-server-${name}`);
    const moveTo = (where: string) => files.write(join(where, 'cgroup.procs'), String(process.pid));
    const undo = (): void => {
      try {
        const control = join(folder, 'cgroup.subtree_control');
        files.write(
          control,
          words(files.read(control))
            .map((controller) => `-${controller}`)
            .join(' '),
        );
        moveTo(folder);
        files.removeFolder(aside);
      } catch (error) {
        this.#log.debug({ folder: aside, error: messageOf(error) }, 'failed to remove the cgroup of the server');
      }
    };
    files.makeFolder(aside);
    try {
      moveTo(aside);
      enable(files, folder, controllers);
    } catch (error) {
      undo();
      throw error;
    }
    this.#undo.push(undo);
    return folder;
  }

  #removeLate(): void {
    for (const folder of this.#unremoved) if (this.#removeTree(folder)) this.#unremoved.delete(folder);
  }

  /** Removes the group and the groups below it. Returns false while any of them has a process. */
  #removeTree(folder: string): boolean {
    try {
      if (!this.#files.exists(folder)) return true;
      for (const name of this.#files.folders(folder)) this.#removeTree(join(folder, name));
      this.#files.removeFolder(folder);
      return true;
    } catch (error) {
      this.#log.debug({ folder, error: messageOf(error) }, 'a cgroup cannot be removed yet');
      return false;
    }
  }
}

/** The group of one worker. */
export class WorkerGroup {
  readonly #files: CgroupFiles;
  readonly #locations: readonly CgroupLocation[];
  readonly #removed: () => void;

  constructor(files: CgroupFiles, places: readonly CgroupLocation[], removed: () => void) {
    this.#files = files;
    this.#locations = places;
    this.#removed = removed;
  }

  /** Limits it to this number of CPUs from now on. False if that is not possible. */
  limitCpu(vcpu: number): boolean {
    const position = this.#locations.find(({ controllers }) => controllers.includes('cpu'));
    if (position === undefined) return false;
    try {
      limitCpu(this.#files, position.layout, position.folder, vcpu);
      return true;
    } catch {
      return false; // the server itself has a lower limit
    }
  }

  get holdsMemory(): boolean {
    return this.#locations.some(({ controllers }) => controllers.includes('memory'));
  }

  /** Whether its processes are in the group that limits memory. */
  get isMemoryHeld(): boolean {
    const location = this.#locations.find(({ controllers }) => controllers.includes('memory'));
    if (location === undefined) return false;
    try {
      return words(this.#files.read(join(location.folder, 'cgroup.procs'))).length > 0;
    } catch {
      return false;
    }
  }

  /** How many times the system killed one of its processes at the memory limit. */
  memoryKills(): number {
    const position = this.#locations.find(({ controllers }) => controllers.includes('memory'));
    if (position === undefined) return 0;
    try {
      const reported = this.#files.read(join(position.folder, position.layout === 'v1' ? 'memory.oom_control' : 'memory.events'));
      return Number(/^oom_kill (\d+)/m.exec(reported)?.[1] ?? 0);
    } catch {
      return 0;
    }
  }

  /** Call after its process has ended. */
  remove(): void {
    this.#removed();
  }
}

/** Of the group of the tasks, beside that of the workers. */
const tasksSuffix = '-tasks';
const delegationHint = 'start the server in its own group, for example with systemd-run --user --scope -p Delegate=yes';

/** The hierarchies with their controllers. */
function trees(files: CgroupFiles): readonly { readonly own: OwnGroup | null; readonly controllers: readonly Controller[] }[] {
  const { cpu, memory, pids } = ownGroups(files);
  const isOneTree = cpu?.folder === memory?.folder;
  const own: { own: OwnGroup | null; controllers: Controller[] }[] = isOneTree
    ? [{ own: cpu, controllers: ['cpu', 'memory'] }]
    : [
        { own: cpu, controllers: ['cpu'] },
        { own: memory, controllers: ['memory'] },
      ];
  // In version 2 `pids` is enabled together with the other controllers.
  return pids?.layout === 'v1' ? [...own, { own: pids, controllers: ['pids'] }] : own;
}

function enable(files: CgroupFiles, folder: string, controllers: readonly Controller[]): void {
  const path = join(folder, 'cgroup.subtree_control');
  const enabled = words(files.read(path));
  const missing = controllers.filter((controller) => !enabled.includes(controller));
  if (missing.length > 0) files.write(path, missing.map((controller) => `+${controller}`).join(' '));
}

/** Whether a version 2 group has no limits, so leaving it evades nothing. */
function isUnlimited(files: CgroupFiles, folder: string): boolean {
  return ['cpu.max', 'memory.max', 'memory.high'].every((name) => {
    const path = join(folder, name);
    return !files.exists(path) || words(files.read(path))[0] === 'max';
  });
}

/**
 * Sets the quota for a number of CPUs as time per period: half a CPU is 5 of 10 ms. A tiny share gets a longer period, because the kernel
 * requires at least a millisecond.
 */
function limitCpu(files: CgroupFiles, layout: 'v1' | 'v2', folder: string, vcpu: number): void {
  const period = Math.ceil(Math.max(periodUs, quotaUsMin / vcpu));
  const quota = Math.max(quotaUsMin, Math.round(period * vcpu));
  if (layout === 'v2') return files.write(join(folder, 'cpu.max'), `${quota} ${period}`);
  files.write(join(folder, 'cpu.cfs_quota_us'), '-1'); // no quota while the period changes: the old one may be invalid with the new period
  files.write(join(folder, 'cpu.cfs_period_us'), String(period));
  files.write(join(folder, 'cpu.cfs_quota_us'), String(quota));
}

function limitMemory(files: CgroupFiles, layout: 'v1' | 'v2', folder: string, memoryMiB: number): void {
  const bytes = String(Math.round(Math.max(memoryMiB, memoryMiBMin) * 1024 ** 2));
  files.write(join(folder, layout === 'v1' ? 'memory.limit_in_bytes' : 'memory.max'), bytes);
  // A worker that swaps is useless. Systems without swap, or without accounting of it, lack these files.
  const swap = join(folder, layout === 'v1' ? 'memory.memsw.limit_in_bytes' : 'memory.swap.max');
  if (files.exists(swap)) files.write(swap, layout === 'v1' ? bytes : '0');
}

function words(text: string): readonly string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}
