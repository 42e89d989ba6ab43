/**
 * Holds workers to their memory and their share of the processors, by Linux's groups of processes (cgroups): one group
 * for each worker, below a group of this server, below the one that the server itself is in - so that what holds the
 * server holds its workers, too. Where that is not permitted everything works without, and `limits` says so.
 */
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import type { Log } from '../monitoring/index.ts';
import { type CgroupFiles, type Controller, type OwnGroup, ownGroups, systemFiles } from './cgroup-files.ts';
import type { CgroupNotes } from './cgroup-notes.ts';
import type { WorkerLimits } from './provider.ts';

/** Short, so that a run of a few milliseconds is slowed as a long one is. */
const periodUs = 10_000;
/** The kernel takes no less. */
const quotaUsMin = 1_000;
/** A limit below what the process needs to answer at all would end it before it could say why. */
const memoryMiBMin = 16;

/** A place where groups can be made that hold some controllers. */
interface Place {
  readonly layout: 'v1' | 'v2';
  readonly folder: string;
  readonly controllers: readonly Controller[];
}

export interface CgroupsOptions {
  readonly log: Log;
  /** Of this server, unlike that of any other on this machine: its pid and start time. */
  readonly name: string;
  /** Where the folders are noted that a killed server cannot remove. */
  readonly notes: CgroupNotes;
  readonly files?: CgroupFiles;
}

export class Cgroups {
  readonly limits: WorkerLimits;
  readonly #files: CgroupFiles;
  readonly #log: Log;
  readonly #notes: CgroupNotes;
  readonly #places: readonly Place[];
  readonly #undo: (() => void)[] = [];
  /** Groups whose processes had ended, but not for the kernel yet. */
  readonly #unremoved = new Set<string>();

  /** Finds out what can be held, and removes what a killed server left. Does not throw. */
  constructor({ log, name, notes, files = systemFiles }: CgroupsOptions) {
    this.#files = files;
    this.#log = log;
    this.#notes = notes;
    for (const folder of notes.list()) if (this.#removeTree(folder)) notes.forget(folder);
    const reasons: string[] = [];
    const places: Place[] = [];
    for (const { own, controllers } of trees(files)) {
      try {
        if (own === null) throw new Error('this system has none of that kind');
        places.push(this.#open(own, name, controllers));
      } catch (error) {
        reasons.push(`${controllers.join(' and ')}: ${messageOf(error)}`);
      }
    }
    this.#places = places;
    const held = new Set(places.flatMap((place) => place.controllers));
    this.limits = {
      cpu: held.has('cpu'),
      memory: held.has('memory'),
      reason: reasons.length === 0 ? null : `cgroups cannot hold workers here (${reasons.join('; ')})`,
    };
  }

  /** Puts a process into a group of its own; null where there are none. The process must be this server's child. */
  hold(pid: number, memoryMiB: number | null): WorkerGroup | null {
    this.#removeLate();
    const folders: string[] = [];
    const held: Place[] = [];
    for (const place of this.#places) {
      const folder = join(place.folder, String(pid));
      try {
        if (!this.#files.exists(folder)) this.#files.makeFolder(folder);
        folders.push(folder);
        if (memoryMiB !== null && place.controllers.includes('memory')) limitMemory(this.#files, place.layout, folder, memoryMiB);
        this.#files.write(join(folder, 'cgroup.procs'), String(pid));
        held.push({ ...place, folder });
      } catch (error) {
        this.#log.warn({ pid, folder, error: messageOf(error) }, 'a worker could not be put into its group: it runs without limits');
      }
    }
    if (folders.length === 0) return null;
    return new WorkerGroup(this.#files, held, () => {
      for (const folder of folders) this.#unremoved.add(folder);
      this.#removeLate();
    });
  }

  /** Removes the groups of this server; those of workers that still run stay, for the next server to remove. */
  close(): void {
    this.#removeLate();
    for (const { folder } of this.#places) if (this.#removeTree(folder)) this.#notes.forget(folder);
    for (const undo of this.#undo.splice(0).reverse()) undo();
  }

  /** Makes the group of this server and tries on a group of a worker what will be asked of it. Throws, saying what would help. */
  #open(own: OwnGroup, name: string, controllers: readonly Controller[]): Place {
    const { layout } = own;
    const parent = layout === 'v1' ? own.folder : this.#parentOfV2(own, name, controllers);
    const folder = join(parent, `penstock-${name}`);
    const trial = join(folder, 'trial');
    try {
      this.#notes.remember(folder);
      this.#files.makeFolder(folder);
      if (layout === 'v2') enable(this.#files, folder, controllers);
      this.#files.makeFolder(trial);
      if (controllers.includes('cpu')) limitCpu(this.#files, layout, trial, 0.5);
      if (controllers.includes('memory')) limitMemory(this.#files, layout, trial, 1024);
      this.#files.removeFolder(trial);
      return { layout, folder, controllers };
    } catch (error) {
      if (this.#removeTree(folder)) this.#notes.forget(folder);
      throw error;
    }
  }

  /**
   * In version 2 a group has either processes or groups below it that are held. So this process must be alone in its own
   * group, and goes into one beside those of the workers; or the group above is free for us and hers holds nothing.
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
      return this.#stepAside(own.folder, name, controllers);
    }
    const above = join(own.folder, '..');
    if (own.folder !== own.mount && isUnlimited(files, own.folder) && files.isWritable(join(above, 'cgroup.procs'))) {
      enable(files, above, controllers);
      return above;
    }
    throw new Error(`${messageOf(failure)}; ${delegationHint}`);
  }

  #stepAside(folder: string, name: string, controllers: readonly Controller[]): string {
    const files = this.#files;
    const aside = join(folder, `penstock-server-${name}`);
    const moveTo = (where: string) => files.write(join(where, 'cgroup.procs'), String(process.pid));
    const undo = (): void => {
      try {
        files.write(join(folder, 'cgroup.subtree_control'), controllers.map((controller) => `-${controller}`).join(' '));
        moveTo(folder);
        files.removeFolder(aside);
      } catch (error) {
        this.#log.debug({ folder: aside, error: messageOf(error) }, 'the group of the server stays');
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

  /** False while a process is left in it. */
  #removeTree(folder: string): boolean {
    try {
      if (!this.#files.exists(folder)) return true;
      for (const name of this.#files.folders(folder)) this.#removeTree(join(folder, name));
      this.#files.removeFolder(folder);
      return true;
    } catch (error) {
      this.#log.debug({ folder, error: messageOf(error) }, 'a group cannot be removed yet');
      return false;
    }
  }
}

/** The group of one worker. */
export class WorkerGroup {
  readonly #files: CgroupFiles;
  readonly #places: readonly Place[];
  readonly #removed: () => void;

  constructor(files: CgroupFiles, places: readonly Place[], removed: () => void) {
    this.#files = files;
    this.#places = places;
    this.#removed = removed;
  }

  /** Holds it to so many processors from now on. False where that cannot be done. */
  limitCpu(vcpu: number): boolean {
    const place = this.#places.find(({ controllers }) => controllers.includes('cpu'));
    if (place === undefined) return false;
    try {
      limitCpu(this.#files, place.layout, place.folder, vcpu);
      return true;
    } catch {
      return false; // the server itself is held to less
    }
  }

  get holdsMemory(): boolean {
    return this.#places.some(({ controllers }) => controllers.includes('memory'));
  }

  /** How often the system ended a process of it because it was at its memory limit. */
  memoryKills(): number {
    const place = this.#places.find(({ controllers }) => controllers.includes('memory'));
    if (place === undefined) return 0;
    try {
      const told = this.#files.read(join(place.folder, place.layout === 'v1' ? 'memory.oom_control' : 'memory.events'));
      return Number(/^oom_kill (\d+)/m.exec(told)?.[1] ?? 0);
    } catch {
      return 0;
    }
  }

  /** Once its process has ended. */
  remove(): void {
    this.#removed();
  }
}

const delegationHint = 'start the server in a group of its own, as with systemd-run --user --scope -p Delegate=yes';

/** Where each tree is, with what it can hold. */
function trees(files: CgroupFiles): readonly { readonly own: OwnGroup | null; readonly controllers: readonly Controller[] }[] {
  const { cpu, memory } = ownGroups(files);
  if (cpu?.folder === memory?.folder) return [{ own: cpu, controllers: ['cpu', 'memory'] }];
  return [
    { own: cpu, controllers: ['cpu'] },
    { own: memory, controllers: ['memory'] },
  ];
}

function enable(files: CgroupFiles, folder: string, controllers: readonly Controller[]): void {
  const path = join(folder, 'cgroup.subtree_control');
  const enabled = words(files.read(path));
  const missing = controllers.filter((controller) => !enabled.includes(controller));
  if (missing.length > 0) files.write(path, missing.map((controller) => `+${controller}`).join(' '));
}

/** Whether a version 2 group holds nothing, so that leaving it evades nothing. */
function isUnlimited(files: CgroupFiles, folder: string): boolean {
  return ['cpu.max', 'memory.max', 'memory.high'].every((name) => {
    const path = join(folder, name);
    return !files.exists(path) || words(files.read(path))[0] === 'max';
  });
}

/** So many processors are so much time in each period: half of one is 5 of 10 ms. A tiny share gets a longer period. */
function limitCpu(files: CgroupFiles, layout: 'v1' | 'v2', folder: string, vcpu: number): void {
  const period = Math.ceil(Math.max(periodUs, quotaUsMin / vcpu));
  const quota = Math.max(quotaUsMin, Math.round(period * vcpu));
  if (layout === 'v2') return files.write(join(folder, 'cpu.max'), `${quota} ${period}`);
  files.write(join(folder, 'cpu.cfs_quota_us'), '-1'); // whatever the period was, the share in between must not be refused
  files.write(join(folder, 'cpu.cfs_period_us'), String(period));
  files.write(join(folder, 'cpu.cfs_quota_us'), String(quota));
}

function limitMemory(files: CgroupFiles, layout: 'v1' | 'v2', folder: string, memoryMiB: number): void {
  const bytes = String(Math.round(Math.max(memoryMiB, memoryMiBMin) * 1024 ** 2));
  files.write(join(folder, layout === 'v1' ? 'memory.limit_in_bytes' : 'memory.max'), bytes);
  // A worker that swaps is of no use. Systems without swap, or that do not count it, lack these.
  const swap = join(folder, layout === 'v1' ? 'memory.memsw.limit_in_bytes' : 'memory.swap.max');
  if (files.exists(swap)) files.write(swap, layout === 'v1' ? bytes : '0');
}

function words(text: string): readonly string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}
