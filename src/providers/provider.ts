/** Where workers run: the words of every provider. Today there is one, this machine. */
import type { WorkerLink } from '../runtime/index.ts';

/** A wish: one worker with one model. */
export interface WorkerSpec {
  /** Given by who wishes, unique. The same id again is the same wish. */
  readonly id: string;
  readonly endpoint: string;
  readonly variant: string;
  readonly generation: number;
  readonly modelPath: string;
  /** `digits/3`, as people read it. */
  readonly modelName: string;
  readonly threads: number;
  /** What the worker may use; 0 for no limit. */
  readonly memoryMiB: number;
  /** `local.1`; for a function the name of its executor, `function:2048`. */
  readonly instanceType: string;
  /** An instance is always on; a function is an environment of a memory size, with its share of the processors. */
  readonly kind: 'instance' | 'function';
  /** So many processors it may use once it is ready, 0.5 for half of one; null for no limit. Held where `limits.cpu`. */
  readonly vcpuMax: number | null;
  /** `modelPath` is an archive, and this is started with it: a command that speaks the container contract. */
  readonly process?: WorkerCommand;
}

export interface WorkerCommand {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** How many requests it takes at once. */
  readonly concurrency: number;
  /** From its start until it must answer. */
  readonly startTimeoutMs: number;
  /** Its archive is unpacked within this before. */
  readonly unpackTimeoutMs: number;
}

/** What a provider can hold its workers to. */
export interface WorkerLimits {
  readonly cpu: boolean;
  readonly memory: boolean;
  /** Why not, and what would help; null where both are held. */
  readonly reason: string | null;
}

/**
 * `starting`: on the way, also again after a crash. `ready`: it has answered a real inference. `failed`: it crashed
 * again and again; still tried, at growing intervals.
 */
export type WorkerState = 'starting' | 'ready' | 'failed';

export interface WorkerView {
  readonly spec: WorkerSpec;
  readonly state: WorkerState;
  /** null while none runs, between two tries. */
  readonly pid: number | null;
  /** Looked up when asked, as views are made all the time. */
  readonly rssBytes: number | null;
  /** Time on processors that its process has had; looked up when asked. null or absent while none runs, or the system does not tell. */
  readonly cpuMs?: (() => number | null) | undefined;
  readonly restarts: number;
  /** How the last process ended, with its last log lines; null if none did. */
  readonly reason: string | null;
  /** Epoch milliseconds. */
  readonly startedAtMs: number;
  readonly readyAtMs: number | null;
}

export interface BorrowOptions {
  /** The process is ended after this long; 60 s unless told. */
  readonly timeoutMs?: number;
  /** What the process may use; 4096 unless told, 0 for no limit. */
  readonly memoryMiB?: number;
  /** So many processors it may use; null, unless told, for no limit. Held where `limits.cpu`. */
  readonly vcpuMax?: number | null;
}

export interface Provider {
  readonly limits: WorkerLimits;
  /** Resolves when the wish is taken; `list` and `onChange` tell how it goes. */
  start(spec: WorkerSpec): Promise<void>;
  /** SIGTERM, grace, SIGKILL; resolves when the process has ended. An unknown id is fine. */
  stop(id: string): Promise<void>;
  list(): readonly WorkerView[];
  /** null unless ready. */
  link(id: string): WorkerLink | null;
  /** Ends the worker's process at once, for it hangs or has grown too large, and starts another. */
  restart(id: string, reason: string): void;
  /** Told at every change of state, a restart's new link included. The answer ends the listening. */
  onChange(listener: (view: WorkerView) => void): () => void;
  /**
   * A warm worker without a model for one task, ended afterwards. Few at a time; the others wait. A worker that is
   * lost on the way rejects with `model_failed` and says how it ended.
   */
  borrow<T>(use: (link: WorkerLink) => Promise<T>, options?: BorrowOptions): Promise<T>;
  close(): Promise<void>;
}
