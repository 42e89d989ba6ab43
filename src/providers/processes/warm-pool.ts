/** A few worker processes with onnxruntime loaded but no model: starting one then only takes loading the model. */
import type { Clock } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import type { WorkerProcessDeps } from './launched-worker.ts';
import { WorkerProcess } from './worker-process.ts';

/** Delays refilling: the worker just taken is loading its model and needs the cores. */
const refillDelayMs = 300;
const failureDelayMsMax = 30_000;

/** Refilled in the background, later after each failure in a row. */
export class WarmPool {
  readonly #deps: WorkerProcessDeps;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #size: number;
  readonly #warm = new Set<WorkerProcess>();
  #starting: Promise<void> | null = null;
  #cancelRefill: (() => void) | null = null;
  #failureDelayMs = refillDelayMs;
  #isClosed = false;

  constructor(deps: WorkerProcessDeps, size: number) {
    this.#deps = deps;
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#size = size;
    this.#refillAfter(0);
  }

  /** Warm workers now. */
  get count(): number {
    return this.#warm.size;
  }

  /** Returns a warm worker, else a new one. Throws `unavailable`. */
  async take(): Promise<WorkerProcess> {
    for (const warm of this.#warm) {
      this.#warm.delete(warm);
      this.#refillAfter(refillDelayMs);
      return warm;
    }
    return WorkerProcess.start(this.#deps);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelRefill?.();
    await this.#starting;
    await Promise.all([...this.#warm].map((warm) => warm.stop()));
  }

  #refillAfter(delayMs: number): void {
    if (this.#isClosed || this.#cancelRefill !== null) return;
    this.#cancelRefill = this.#clock.after(delayMs, () => {
      this.#cancelRefill = null;
      this.#starting ??= this.#refill().finally(() => {
        this.#starting = null;
      });
    });
  }

  /** Starts one worker at a time: on a few cores, several that start together would all be late. */
  async #refill(): Promise<void> {
    while (!this.#isClosed && this.#warm.size < this.#size) {
      try {
        const warm = await WorkerProcess.start(this.#deps);
        this.#failureDelayMs = refillDelayMs;
        this.#warm.add(warm);
        void warm.ended.then((why) => this.#lost(warm, why));
      } catch (error) {
        this.#failureDelayMs = Math.min(this.#failureDelayMs * 2, failureDelayMsMax);
        this.#log.error({ error: messageOf(error) }, 'failed to start a warm worker');
        this.#refillAfter(this.#failureDelayMs);
        return;
      }
    }
  }

  #lost(warm: WorkerProcess, why: string): void {
    if (!this.#warm.delete(warm) || this.#isClosed) return;
    this.#log.warn({ worker: warm.pid, why }, 'a warm worker ended');
    this.#refillAfter(refillDelayMs);
  }
}
