/** One function environment: a worker of a memory size that was started for a batch, and lives as long as it is of use. */
import type { Executor } from './executor.ts';

export class Environment {
  readonly id: string;
  readonly memoryMiB: number;
  state: 'starting' | 'idle' | 'busy' = 'starting';
  /** From being ready on. */
  executor: Executor | null = null;
  /**
   * Kept warm whether it is used or not, and charged by time for that: `provisioned` as its user asked for it, `pinged` for as long
   * as whoever plans wants it so. null: it ends when it has been idle for its time.
   */
  kept: 'provisioned' | 'pinged' | null = null;
  /** Another takes its place: it is of a size that is no longer wanted, or is to be drained. It serves until then. */
  isLeaving = false;
  idleSinceMs = 0;
  /** When it was asked for. */
  readonly askedAtMs: number;
  /** From the wish to being ready. */
  coldStartMs = 0;
  /** It is ended in the middle of a run, which was charged. */
  isPaidOff = false;
  /** How many runs it was charged for. */
  invocations = 0;
  /** Told when it has ended: somebody waits for it to be drained. */
  readonly onEnd: (() => void)[] = [];

  constructor(id: string, memoryMiB: number, askedAtMs: number) {
    this.id = id;
    this.memoryMiB = memoryMiB;
    this.askedAtMs = askedAtMs;
  }

  get isKept(): boolean {
    return this.kept !== null;
  }

  /** Whether its next run is billed with its start. What is kept warm is paid for already. */
  get isCold(): boolean {
    return this.invocations === 0 && !this.isKept;
  }
}
