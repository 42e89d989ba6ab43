/** The interface of providers, which run workers. There is one today: local processes. */
import type { EnvironmentRef } from '../python-model.ts';
import type { ModelArtifact, ProcessProgram, PythonLoad, ServingLink, WorkerLink, WorkerPlans } from '../runtime/index.ts';

/** A request for one worker with one model. */
export interface WorkerSpec {
  /** Unique, chosen by the caller. Requesting the same id again changes nothing. */
  readonly id: string;
  readonly endpoint: string;
  readonly variant: string;
  readonly generation: number;
  /** Its files. The provider fetches them from the object store and verifies them. */
  readonly artifact: ModelArtifact;
  /** `digits/3` */
  readonly modelName: string;
  /** What logs, events and the process title show instead; default: `modelName`. */
  readonly displayName?: string;
  readonly threads: number;
  /** Memory limit; 0 for none. */
  readonly memoryMiB: number;
  /** `local.1`; for a function the name of its executor, `function:2048`. */
  readonly instanceType: string;
  /** An instance is always on. A function is an execution environment of a memory size, with a corresponding CPU share. */
  readonly kind: 'instance' | 'function';
  /** CPU limit once the worker is ready: 0.5 is half a CPU, null no limit. Enforced if `limits.cpu`. */
  readonly vcpuMax: number | null;
  /** If set, the artifact is an archive that is started with this command, which implements the container contract. */
  readonly process?: WorkerCommand;
  /** If set, a Python worker loads the data files of the artifact, a folder. */
  readonly python?: WorkerPython;
  /** If set, the worker loads other models too, and answers by plans. */
  readonly plans?: WorkerLadder;
}

/** The plans of a worker. Workers with equal keys answer alike. */
export interface WorkerLadder extends WorkerPlans {
  readonly key: string;
  /** The other models, in the order of the maps. `python`: set for all of them, or for none. */
  readonly others: readonly (ModelArtifact & { readonly python?: PythonLoad })[];
}

/** A Python model, as it was opened at its approval. */
export interface WorkerPython extends PythonLoad {
  readonly environment: EnvironmentRef;
  /** Modules that opening it imported. A fork server has them imported before. */
  readonly modules: readonly string[];
}

/** A command that serves a model, with what it may read. */
export interface WorkerCommand extends ProcessProgram {
  /** Time limit for unpacking its archive, before the start timeout begins. */
  readonly unpackTimeoutMs: number;
  /** Host files and folders that it can read in addition to the system's programs; default none. */
  readonly paths?: readonly string[];
  /** False only if the code is the operator's own and config.json says so; default true. */
  readonly isIsolated?: boolean;
}

/** Limits that a provider can enforce. */
export interface WorkerLimits {
  readonly cpu: boolean;
  readonly memory: boolean;
  /** Why a limit is not enforced, and what would help; null if both are enforced. */
  readonly reason: string | null;
}

/**
 * `starting`: not ready yet, also after a crash. `ready`: has answered a real inference. `failed`: crashed repeatedly, and is retried at
 * growing intervals.
 */
export type WorkerState = 'starting' | 'ready' | 'failed';

/** A worker as others see it. Figures that cost a system call are read on access. */
export interface WorkerView {
  readonly spec: WorkerSpec;
  readonly state: WorkerState;
  /** null between two attempts. */
  readonly pid: number | null;
  /** Read on access, because views are created frequently. */
  readonly rssBytes: number | null;
  /** CPU time of its process, read on access. null or absent while none runs, or if the system does not report it. */
  readonly cpuMs?: (() => number | null) | undefined;
  readonly restarts: number;
  /** How the last process ended, with its last log lines; null if no process has ended yet. */
  readonly reason: string | null;
  /** Epoch milliseconds. */
  readonly startedAtMs: number;
  readonly readyAtMs: number | null;
  /** The machine that runs it; absent if it is the one of this server. */
  readonly host?: { readonly name: string; readonly zone: string };
}

/** Limits of a borrowed worker. */
export interface BorrowOptions {
  /** The process is ended after this time; default 60 s. */
  readonly timeoutMs?: number;
  /** Memory limit of the process; default 4096, 0 for none. */
  readonly memoryMiB?: number;
  /** CPU limit; default null for none. Enforced if `limits.cpu`. */
  readonly vcpuMax?: number | null;
  /** Lends a worker of Python in this environment, instead of one of onnxruntime. */
  readonly python?: {
    readonly environment: EnvironmentRef;
    readonly threads: number;
    /** Its worker uses a device if the type has one. */
    readonly instanceType?: string;
  };
}

/** What deployment and profiling need of a machine. */
export interface Provider {
  readonly limits: WorkerLimits;
  /** Resolves when the request is accepted; `list` and `onChange` report progress. */
  start(spec: WorkerSpec): Promise<void>;
  /** SIGTERM, grace period, SIGKILL; resolves when the process has ended. Ignores unknown ids. */
  stop(id: string): Promise<void>;
  list(): readonly WorkerView[];
  /** null unless ready. */
  link(id: string): ServingLink | null;
  /** Ends the worker's process at once, because it hangs or has grown too large, and starts another. */
  restart(id: string, reason: string): void;
  /** Called at every change of state, including a new link after a restart. Returns a function that unsubscribes. */
  onChange(listener: (view: WorkerView) => void): () => void;
  /**
   * Lends a warm worker without a model for one task, ended afterwards. The number is limited; others wait. If the worker is
   * lost, rejects with `model_failed` and the cause.
   */
  borrow<T>(use: (link: WorkerLink) => Promise<T>, options?: BorrowOptions): Promise<T>;
  close(): Promise<void>;
}
