/**
 * Tasks: commands that end by themselves, such as an attempt of a training job. A task runs under a supervisor process, which outlives the
 * server. All state is in the task's folder, so a later server finds the task, running or ended, and no output is lost.
 */
import type { EnvironmentRef } from '../../python-model.ts';
import type { DataFile } from '../../runtime/index.ts';

/** A task and the folder with its files: on which machine, and where there. */
export interface TaskAddress {
  /** Of the task. */
  readonly id: string;
  /** Absolute, on the machine of the server. Hosts have folders of their own. */
  readonly folder: string;
  /** The name of the host; null for the machine of the server. */
  readonly host: string | null;
}

/** What a task needs of the machine that will run it. */
export interface TaskRequest extends Omit<TaskAddress, 'host'> {
  /** For people: `attempt 1 of digits-7`. */
  readonly name: string;
  /** Cores. */
  readonly threads: number;
  readonly memoryMiB: number;
  /** The Python that it runs with; null if it is not known to run any. */
  readonly environment: EnvironmentRef | null;
}

/** The empty folder of a task on its machine. */
export interface PreparedFolder {
  readonly at: TaskAddress;
  readonly paths: TaskPaths;
  /** The interpreter of the requested environment there; null: that of the server. */
  readonly python: string | null;
  /** The name of the machine in its cluster; null on a server without one. */
  readonly machine: string | null;
  /** Why there; null if there was no choice. */
  readonly reason: string | null;
}

/** What is free on hosts, for many questions in a row. */
export interface FreeCapacity {
  /** Whether a host has room for the task, which is then taken. */
  take(request: Omit<TaskRequest, 'id' | 'folder' | 'name'>): boolean;
}

/** A task that hosts should have room for. */
export interface WantedTask extends Omit<TaskRequest, 'id' | 'folder' | 'name'> {
  /** Of the job: it may be attempted several times. */
  readonly name: string;
}

/** The content of a file for a task. */
export type TaskInput =
  /** An object of the store. `file`: its path on this machine, to be read soon. */
  | { readonly kind: 'object'; readonly sha256: string; readonly file: () => Promise<string> }
  | { readonly kind: 'stream'; readonly content: AsyncIterable<Uint8Array> | Iterable<Uint8Array> };

/** A regular file that a task wrote. */
export interface TaskFile {
  /** With `/`, relative to the folder. */
  readonly path: string;
  readonly bytes: number;
  readonly modifiedAtMs: number;
  readonly isExecutable: boolean;
}

/** The files of a folder, and what was left out. */
export interface TaskFileList {
  /** Sorted by path. */
  readonly files: readonly TaskFile[];
  /** Sentences about skipped entries that are not files; at most 20. */
  readonly notes: readonly string[];
  readonly isTooMany: boolean;
}

/** A file of a task as it was when it was opened. */
export interface OpenedTaskFile {
  readonly bytes: number;
  /** Differs if the file was replaced or changed. */
  readonly identity: string;
  /** Empty at the end. */
  read(start: number, bytesMax: number): Promise<Buffer>;
  close(): Promise<void>;
}

/** A host file or folder that the task can read, at another path. */
export interface TaskBind {
  /** Absolute, on the host. */
  readonly source: string;
  /** Absolute, as the task sees it. A Python environment needs its own path; channels are below `TaskPaths.ml`. */
  readonly target: string;
}

/** Files of the server, such as objects of the store, in a folder that the task can read. */
export interface TaskFiles {
  /** The folder: absolute, as the task sees it. */
  readonly target: string;
  /** `name`: the path in the folder, with `/`. Without empty, `.` and `..` segments; that is the caller's to check. */
  readonly files: readonly DataFile[];
}

/** A task to be started. */
export interface TaskSpec {
  /** Unique, chosen by the caller: `digits-7/1/1795881002000`, a job, its attempt, and its creation. */
  readonly id: string;
  /** The program and its arguments, with paths as the task sees them. */
  readonly command: readonly string[];
  /** Variables of the task. PATH, LANG, HOME, TMPDIR, USER, LOGNAME and those of the threads are set if absent. */
  readonly environment: Readonly<Record<string, string>>;
  /**
   * A folder of the data directory that belongs to this task. The caller creates it with what the task needs in `ml`, before `start`. The task
   * sees `ml` as `TaskPaths.ml`, and can write to it.
   */
  readonly folder: string;
  readonly readOnly: readonly TaskBind[];
  readonly lent: readonly TaskFiles[];
  /** Threads of numeric libraries: OMP_NUM_THREADS, MKL_NUM_THREADS, OPENBLAS_NUM_THREADS. */
  readonly threads: number;
  /** The task is ended if its processes use more. */
  readonly memoryMiB: number;
  /** The task is ended if its files use more. */
  readonly diskMiB: number;
  readonly hasNetwork: boolean;
  /** It gets only CPU time that nothing else wants (SCHED_IDLE). */
  readonly isPreemptible: boolean;
  /** Running time; null for no limit. */
  readonly maxRuntimeMs: number | null;
  /** From SIGTERM to SIGKILL, if it is stopped without another value. */
  readonly stopGraceMs: number;
}

/** Where a task finds its folders: in namespaces /opt/ml and /tmp, otherwise their paths on the host. */
export interface TaskPaths {
  readonly ml: string;
  readonly temporary: string;
}

/**
 * Why a task ended.
 *
 * - `exit`: its command ended. A signal other than one that the program raises itself, such as SIGKILL, means that something outside ended it.
 * - `memory`, `disk`, `time`: it exceeded a limit.
 * - `stopped`: by `stop`.
 * - `shutdown`: the supervisor received a SIGTERM that no server sent: the machine shuts down, or systemd stops the unit.
 * - `abandoned`: no server ran in the data directory for 10 minutes.
 * - `unstarted`: the command could not be started; `detail` says why.
 */
export type TaskEndCause = 'exit' | 'memory' | 'disk' | 'time' | 'stopped' | 'shutdown' | 'abandoned' | 'unstarted';

/** How a task ended, and what it used. */
export interface TaskEnd {
  /** null after a signal. */
  readonly code: number | null;
  readonly signal: string | null;
  readonly why: TaskEndCause;
  /** More about the cause, for people; null if `why` says it all. */
  readonly detail: string | null;
  /** The most memory that was observed. */
  readonly peakRssBytes: number;
  /** CPU time of all its processes. */
  readonly cpuMs: number;
  /** Epoch milliseconds. */
  readonly startedAtMs: number;
  readonly atMs: number;
}

/**
 * `starting`: the supervisor has not started the command yet. `lost`: the supervisor is gone without having recorded an end, and no process of
 * the task runs any more.
 */
export type TaskState = 'starting' | 'running' | 'ended' | 'lost';

/** `stopping`: its host stops after this time. `draining`: its host is wanted empty, at some time. */
export interface TaskEviction {
  readonly why: 'stopping' | 'draining';
  /** Null: no time was named. */
  readonly withinMs: number | null;
}

/** A task as others see it. */
export interface TaskView {
  readonly id: string;
  readonly folder: string;
  /** The host that it runs on; absent for the machine of the server. */
  readonly host?: string;
  /** Why it should run elsewhere soon; absent if it may stay. */
  readonly eviction?: TaskEviction;
  readonly state: TaskState;
  /** The process of the command itself, on its machine; null if it does not run. */
  readonly pid: number | null;
  /** CPU time of all its processes. Read on access; after the end, the total. */
  readonly cpuMs: number;
  /** Memory of all its processes. Read on access. */
  readonly rssBytes: number;
  /** What its files take on the disk, when last measured. */
  readonly diskBytes: number;
  /** null unless `ended`. */
  readonly end: TaskEnd | null;
}

/** A line that a task printed. Longer lines than 256 KiB are split; invalid UTF-8 is replaced. */
export interface TaskLine {
  /** Epoch milliseconds. */
  readonly at: number;
  /** `task`: a remark of the supervisor, such as that output was dropped. */
  readonly from: 'out' | 'err' | 'task';
  readonly line: string;
}

/** A page of output. */
export interface TaskOutput {
  readonly lines: readonly TaskLine[];
  /** The offset to continue from, in bytes. Equal to the given one if there is nothing new. */
  readonly nextOffset: number;
}

/**
 * Tasks of the server, wherever they run. Files are addressed by their paths below the `ml` folder of a task: no caller knows where that is.
 * While a host is away, what concerns its tasks rejects with `unavailable`; `find` waits.
 */
export interface Tasks {
  /** What hosts have free now. */
  freeCapacity(): FreeCapacity;
  /** Says which tasks hosts should have room for: those that wait for room, and those that run there. Replaces what was said before. */
  want(tasks: readonly WantedTask[]): void;
  /** Chooses a machine, and makes an empty folder there: what the task had before is removed. */
  prepare(request: TaskRequest): Promise<PreparedFolder>;
  /** Makes folders below `ml`, with those above them. */
  makeFolders(at: TaskAddress, paths: readonly string[]): Promise<void>;
  /** Writes a file below `ml`. Rejects with `too_large` if it does not fit on the disk of the machine. */
  put(at: TaskAddress, path: string, input: TaskInput): Promise<void>;
  /** Starting the same id again changes nothing. Throws `unavailable` if no isolation works there, and `wrong_state` if the folder was used. */
  start(spec: TaskSpec): Promise<void>;
  /** SIGTERM to all its processes, after the grace period SIGKILL. Resolves when that is requested. Ignores a task that has ended. */
  stop(id: string, graceMs?: number): Promise<void>;
  /** Running and ended tasks, including those of earlier servers, until they are removed. */
  list(): readonly TaskView[];
  /**
   * The task that was started at the address, also by an earlier server. Null if none was, or if it is lost with its machine. Waits while its
   * host is away, and rejects if the signal aborts meanwhile.
   */
  find(at: TaskAddress, signal: AbortSignal): Promise<TaskView | null>;
  /** Called at each change of state. Returns a function that unsubscribes. */
  onChange(listener: (view: TaskView) => void): () => void;
  /** What the task printed from this offset on: a page of whole lines, at most 2 MiB. Also works after its end, until it is removed. */
  output(id: string, fromOffset: number): Promise<TaskOutput>;
  /** The files of a folder below `ml`, `most` at most. */
  files(at: TaskAddress, folder: string, most?: number): Promise<TaskFileList>;
  /** Opens a file of a folder below `ml`; null if there is none. The caller closes it. */
  openFile(at: TaskAddress, folder: string, path: string): Promise<OpenedTaskFile | null>;
  /**
   * Gives up a task whose host does not end it in its time: from now on it is lost with all that it wrote, as if the host were. Calls under way
   * for it reject. If the host reports it later, it ends there. False for a task of the machine of the server: its supervisor keeps the time.
   */
  giveUp(at: TaskAddress): boolean;
  /** Ends the task if it runs, forgets it, and removes its folder. Rejects if that could not be done: the folder stays. */
  discard(at: TaskAddress): Promise<void>;
  /**
   * Discards what earlier servers left: tasks on hosts, and folders in `parent`, which has one per job, and in it one per attempt. To be called
   * once, with all tasks that are needed. Does not reject.
   */
  discardOthers(parent: string, needed: readonly TaskAddress[]): Promise<void>;
}
