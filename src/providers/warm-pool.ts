/** A few worker processes that have onnxruntime loaded and no model yet: a start then costs the load of the model only. */
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../monitoring/index.ts';
import { type ProcessSurroundings, WorkerProcess } from './worker-process.ts';

/** Refilling waits a moment: the worker that was just taken is loading its model and wants the cores. */
const refillDelayMs = 300;
const failureDelayMsMax = 30_000;

export class WarmPool {
  readonly #surroundings: ProcessSurroundings;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #size: number;
  readonly #warm = new Set<WorkerProcess>();
  #starting: Promise<void> | null = null;
  #cancelRefill: (() => void) | null = null;
  #failureDelayMs = refillDelayMs;
  #isClosed = false;

  constructor(surroundings: ProcessSurroundings, size: number) {
    this.#surroundings = surroundings;
    this.#clock = surroundings.clock;
    this.#log = surroundings.log;
    this.#size = size;
    this.#refillAfter(0);
  }

  /** A warm one, else a new one. Throws `unavailable`. */
  async take(): Promise<WorkerProcess> {
    for (const warm of this.#warm) {
      this.#warm.delete(warm);
      this.#refillAfter(refillDelayMs);
      return warm;
    }
    return WorkerProcess.start(this.#surroundings);
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

  /** One at a time: on few cores several that boot together are all late. */
  async #refill(): Promise<void> {
    while (!this.#isClosed && this.#warm.size < this.#size) {
      try {
        const warm = await WorkerProcess.start(this.#surroundings);
        this.#failureDelayMs = refillDelayMs;
        this.#warm.add(warm);
        void warm.ended.then((why) => this.#lost(warm, why));
      } catch (error) {
        this.#failureDelayMs = Math.min(this.#failureDelayMs * 2, failureDelayMsMax);
        this.#log.error({ error: messageOf(error) }, 'no warm worker could be started');
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
