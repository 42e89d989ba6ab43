/** Workers as processes of this machine. */
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import type { Log, WorkerEnd } from '../monitoring/index.ts';
import { type Random, SystemRandom } from '../random.ts';
import { WorkerGone, type WorkerLink } from '../runtime/index.ts';
import { CgroupNotes } from './cgroup-notes.ts';
import { Cgroups } from './cgroups.ts';
import { Leftovers } from './leftovers.ts';
import { startTicks } from './process-facts.ts';
import type { BorrowOptions, Provider, WorkerLimits, WorkerSpec, WorkerView } from './provider.ts';
import { SupervisedWorker } from './supervised-worker.ts';
import { Turnstile } from './turnstile.ts';
import { WarmPool } from './warm-pool.ts';
import { WorkerDoor } from './worker-door.ts';
import { type ProcessSurroundings, WorkerProcess } from './worker-process.ts';

export interface LocalProviderOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Of this server alone; what runs is noted there, so that the next server can end what a kill left behind. */
  readonly stateDirectory: string;
  readonly warmWorkers: number;
  readonly random?: Random;
  /** Instances are held back so long when they start, as if machines had to be had for them first; not at all unless given. */
  readonly startDelayMs?: number;
  /** Told of each line that a worker or its container prints. */
  readonly heard?: (spec: WorkerSpec, line: string) => void;
}

const checkEveryMs = 500;
const borrowedMax = 2;
const borrowTimeoutMs = 60_000;
const borrowMemoryMiB = 4096;

/** Providers of one process: tests open several. */
let opened = 0;

interface Opened {
  readonly door: WorkerDoor;
  readonly cgroups: Cgroups;
  readonly pool: WarmPool;
  readonly surroundings: ProcessSurroundings;
  readonly forgetFolder: () => void;
}

export class LocalProvider implements Provider {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #random: Random;
  readonly #leftovers: Leftovers;
  readonly #stateDirectory: string;
  readonly #warmWorkers: number;
  readonly #startDelayMs: number;
  readonly #workers = new Map<string, SupervisedWorker>();
  readonly #stopping = new Map<string, Promise<void>>();
  readonly #listeners = new Set<(view: WorkerView) => void>();
  readonly #endListeners = new Set<(id: string, end: WorkerEnd | null) => void>();
  readonly #borrowers = new Turnstile(borrowedMax);
  readonly #heard: LocalProviderOptions['heard'];
  #opened: Opened | null = null;
  #cancelCheck: () => void = () => undefined;

  constructor(options: LocalProviderOptions) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#random = options.random ?? new SystemRandom();
    this.#leftovers = new Leftovers(options.stateDirectory);
    this.#stateDirectory = options.stateDirectory;
    this.#warmWorkers = options.warmWorkers;
    this.#startDelayMs = options.startDelayMs ?? 0;
    this.#heard = options.heard;
  }

  /** Ends what a killed server left behind, then starts the warm workers. */
  async open(): Promise<void> {
    await this.#leftovers.end(this.#clock, this.#log);
    const door = await WorkerDoor.open(this.#clock, this.#log);
    const name = `${process.pid}-${startTicks(process.pid) ?? '0'}-${++opened}`;
    const cgroups = new Cgroups({ log: this.#log, name, notes: new CgroupNotes(this.#stateDirectory) });
    if (cgroups.limits.reason !== null) this.#log.info({ ...cgroups.limits }, 'functions are not held to all of their limits');
    const compileCache = join(this.#stateDirectory, 'compile-cache');
    const surroundings = { clock: this.#clock, log: this.#log, door, leftovers: this.#leftovers, cgroups, compileCache };
    const pool = new WarmPool(surroundings, this.#warmWorkers);
    this.#opened = { door, cgroups, pool, surroundings, forgetFolder: this.#leftovers.rememberFolder(door.folder) };
    this.#checkLater();
  }

  get limits(): WorkerLimits {
    return this.#opened?.cgroups.limits ?? { cpu: false, memory: false, reason: 'the server is starting or stopping' };
  }

  async start(spec: WorkerSpec): Promise<void> {
    await this.#stopping.get(spec.id);
    const { pool, surroundings } = this.#openedOrThrow();
    if (this.#workers.has(spec.id)) return;
    const worker = new SupervisedWorker(spec, {
      clock: this.#clock,
      log: this.#log,
      random: this.#random,
      take: () => (spec.process === undefined ? pool.take() : WorkerProcess.start(surroundings, 'process')),
      changed: (view) => this.#tell(view),
      heard: (line) => this.#heard?.(spec, line),
      ended: (end) => {
        for (const listener of this.#endListeners) listener(spec.id, end);
      },
      startDelayMs: spec.kind === 'instance' ? this.#startDelayMs : 0,
    });
    this.#workers.set(spec.id, worker);
    this.#tell(worker.view());
  }

  async stop(id: string): Promise<void> {
    const worker = this.#workers.get(id);
    if (worker === undefined) return this.#stopping.get(id);
    this.#workers.delete(id);
    const stopping = worker.stop().finally(() => this.#stopping.delete(id));
    this.#stopping.set(id, stopping);
    await stopping;
  }

  list(): readonly WorkerView[] {
    return [...this.#workers.values()].map((worker) => worker.view());
  }

  link(id: string): WorkerLink | null {
    return this.#workers.get(id)?.link ?? null;
  }

  restart(id: string, reason: string): void {
    this.#workers.get(id)?.restart(reason);
  }

  onChange(listener: (view: WorkerView) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Told of each end of a worker's process; null where it was asked for, or had not been ready. The answer ends the listening. */
  onEnded(listener: (id: string, end: WorkerEnd | null) => void): () => void {
    this.#endListeners.add(listener);
    return () => this.#endListeners.delete(listener);
  }

  async borrow<T>(use: (link: WorkerLink) => Promise<T>, options: BorrowOptions = {}): Promise<T> {
    const { timeoutMs = borrowTimeoutMs, memoryMiB = borrowMemoryMiB, vcpuMax = null } = options;
    const leave = await this.#borrowers.enter();
    try {
      const process = await this.#openedOrThrow().pool.take();
      let isLate = false;
      const cancel = this.#clock.after(timeoutMs, () => {
        isLate = true;
        process.kill();
      });
      try {
        await process.limitMemory(memoryMiB);
        if (vcpuMax !== null) {
          process.holdMemory(memoryMiB);
          process.limitCpu(vcpuMax);
        }
        return await use(process.link);
      } catch (error) {
        if (!(error instanceof WorkerGone)) throw error;
        const how = isLate ? `it took longer than ${timeoutMs / 1000} s` : await process.ended;
        throw new PlatformError('model_failed', `the worker that had the model open was lost: ${how}`, { cause: error });
      } finally {
        cancel();
        await process.stop();
      }
    } finally {
      leave();
    }
  }

  /** Ends every worker. Borrowers that are still at it fail with `unavailable` or `model_failed`. */
  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = null;
    this.#cancelCheck();
    for (const id of this.#workers.keys()) void this.stop(id);
    await Promise.all([...this.#stopping.values(), opened?.pool.close()]);
    opened?.door.close();
    opened?.cgroups.close();
    opened?.forgetFolder();
  }

  #openedOrThrow(): Opened {
    if (this.#opened === null) throw new PlatformError('unavailable', 'the server is starting or stopping: no worker can be started now');
    return this.#opened;
  }

  #checkLater(): void {
    this.#cancelCheck = this.#clock.after(checkEveryMs, () => {
      for (const worker of this.#workers.values()) worker.check();
      this.#checkLater();
    });
  }

  #tell(view: WorkerView): void {
    for (const listener of this.#listeners) listener(view);
  }
}
