/** Measures what a task uses, and finds the limit that it exceeds. */
import type { Clock } from '../../clock.ts';
import { systemFiles } from '../cgroups/cgroup-files.ts';
import { WorkerGroup } from '../cgroups/cgroups.ts';
import { DiskWatch, freeBytesMin, freeSpaceOf, noArchive } from '../disk/disk-watch.ts';
import { fileUseOf } from '../disk/file-use.ts';
import { heldBytesOf, processesOf, treeOf } from '../processes/process-facts.ts';
import { runningMarked } from '../processes/process-tree.ts';
import type { TaskPlan } from './task-plan.ts';

/** A data set of small files, or a checkpoint in shards. */
const filesMax = 2_000_000;

/** The limit that ended a task, and the figures for the message. */
export interface ExceededLimit {
  readonly why: 'memory' | 'disk';
  readonly detail: string;
}

/** Remembers the peak of memory, and the first limit that was exceeded. */
export class TaskLimits {
  diskBytes = 0;
  peakRssBytes = 0;
  readonly #plan: TaskPlan;
  readonly #group: WorkerGroup;
  readonly #disk: DiskWatch;
  #exceeded: ExceededLimit | null = null;

  constructor(plan: TaskPlan, folder: string, clock: Clock) {
    this.#plan = plan;
    this.#group = new WorkerGroup(systemFiles, plan.groups, () => undefined);
    this.#disk = new DiskWatch({
      clock,
      limits: {
        worker: { bytes: plan.diskMiB * 1024 ** 2, files: filesMax },
        freeBytesMin,
        setting: 'VolumeSizeInGB limits what a job writes',
      },
      free: () => freeSpaceOf(folder),
      measure: async (written, max) => {
        const use = await fileUseOf(written, max);
        this.diskBytes = use.bytes;
        return use;
      },
    });
  }

  /** The limit that is exceeded; null if none is. `rootPid`: the process that the supervisor spawned. */
  async check(rootPid: number): Promise<ExceededLimit | null> {
    await this.#disk.check([
      {
        id: this.#plan.id,
        written: { folders: this.#plan.folders, sharedMemoryOf: null, processes: () => this.#processes(rootPid) },
        archive: noArchive,
        end: (detail) => {
          this.#exceeded = { why: 'disk', detail };
        },
      },
    ]);
    return this.#exceeded ?? this.#checkMemory(rootPid);
  }

  /** Not null if the system ended a process of the task because its group exceeded its memory. */
  memoryKill(): ExceededLimit | null {
    return this.#group.memoryKills() > 0 ? this.#tooMuchMemory() : null;
  }

  #checkMemory(rootPid: number): ExceededLimit | null {
    const processes = this.#processes(rootPid);
    const heldBytes = heldBytesOf(processes, false);
    this.peakRssBytes = Math.max(this.peakRssBytes, heldBytes);
    const bytesMax = this.#plan.memoryMiB * 1024 ** 2;
    if (heldBytes <= bytesMax || this.#group.isMemoryHeld) return null;
    const exactBytes = heldBytesOf(processes, true);
    return exactBytes <= bytesMax ? null : this.#tooMuchMemory();
  }

  #tooMuchMemory(): ExceededLimit {
    return { why: 'memory', detail: `its processes used more than ${this.#plan.memoryMiB} MiB of memory` };
  }

  #processes(rootPid: number): readonly number[] {
    const { isNamespaced, owner, mark } = this.#plan;
    return isNamespaced ? treeOf(rootPid) : owner === null ? runningMarked(mark) : processesOf(owner.uid);
  }
}
