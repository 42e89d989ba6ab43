/** A function's execution environment: a worker of a given memory size, started for a batch and reused until it is no longer needed. */
import type { Executor } from '../executor.ts';

/** Plain state; `Environments` changes it. */
export class Environment {
  readonly id: string;
  readonly memoryMiB: number;
  state: 'starting' | 'idle' | 'busy' = 'starting';
  /** Set once the environment is ready. */
  executor: Executor | null = null;
  /**
   * Why it stays warm and is billed by time: `provisioned` by configuration, or `pinged` by the current plan. null: it ends after
   * the keep-alive.
   */
  idle: 'provisioned' | 'pinged' | null = null;
  /** True if it will be replaced because its memory size changed or it is being drained. It serves requests until then. */
  isLeaving = false;
  idleSinceMs = 0;
  /** When the start was requested. */
  readonly requestedAtMs: number;
  /** Time from requesting the start to ready; 0 until then. */
  coldStartMs = 0;
  /** True if it was ended during a run that is already billed, so the run is not billed again. */
  isPaidOff = false;
  /** Number of billed runs. */
  invocations = 0;
  /** Callbacks for callers that drain it: called when it has ended. */
  readonly onEnd: (() => void)[] = [];

  constructor(id: string, memoryMiB: number, askedAtMs: number) {
    this.id = id;
    this.memoryMiB = memoryMiB;
    this.requestedAtMs = askedAtMs;
  }

  get isIdle(): boolean {
    return this.idle !== null;
  }

  /** Whether its next run is billed together with its start. The start of a warm environment is already paid for. */
  get isCold(): boolean {
    return this.invocations === 0 && !this.isIdle;
  }
}
