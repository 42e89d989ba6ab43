/**
 * The fork servers of this machine: one per interpreter, number of threads and network access. Each starts with the first worker that
 * needs it and ends some minutes after its last one. If one cannot be used, workers are spawned instead.
 */
import { messageOf } from '../../errors.ts';
import type { WatchedWorker } from '../disk/disk-watch.ts';
import type { FileUse } from '../disk/file-use.ts';
import type { LaunchedWorker, WorkerProcessDeps } from '../processes/launched-worker.ts';
import { restartDelayMs } from '../processes/supervised-worker.ts';
import { ForkServer, ForkServerUnusable, type ForkStart, pythonWorker } from './fork-server.ts';
import type { PythonProgram } from './python-program.ts';

/** A next cold start within this time is fast. */
const idleMs = 600_000;
/** How long a fork server that cannot be used is not tried again. */
const unusableMs = 600_000;
/** A crash counts as one of several in a row for this long. */
const steadyMs = 600_000;
const checkEveryMs = 1_000;
/** The libraries of a model take far less; packages that fill the memory must not end the server. */
const memoryBytesMax = 8 * 1024 ** 3;
/** Names beyond it are imported by each worker itself. */
const modulesMax = 5_000;

/** A fork server as the status shows it. */
export interface ForkServerView {
  readonly interpreter: string;
  readonly threads: number;
  /** `resting`: it failed, and workers are spawned until it is tried again. */
  readonly state: 'starting' | 'ready' | 'resting';
  /** The process that has the libraries; null while none runs. */
  readonly pid: number | null;
  /** Resident memory of that process. */
  readonly rssBytes: number | null;
  /** Workers that it forked and that run. */
  readonly workers: number;
  /** Why it rests; null otherwise. */
  readonly note: string | null;
}

interface Entry {
  readonly program: PythonProgram;
  readonly modules: Set<string>;
  /** How many of the modules it has imported; null while no process has any. */
  prepared: number | null;
  server: ForkServer | null;
  /** Whether it can fork now; resolves when it is prepared. */
  ready: Promise<boolean>;
  isReady: boolean;
  /** How many preparations are under way or wait. */
  preparations: number;
  workers: number;
  failures: number;
  failedAtMs: number;
  restsUntilMs: number;
  note: string | null;
  cancelIdle: () => void;
  cancelRetry: () => void;
}

/** A fork server that failed is not used for a while, so that a broken library does not delay every start. */
export class ForkServers {
  readonly #deps: WorkerProcessDeps;
  readonly #entries = new Map<string, Entry>();
  readonly #running = new Set<ForkServer>();
  #cancelCheck: () => void;
  #isClosed = false;

  constructor(deps: WorkerProcessDeps) {
    this.#deps = deps;
    this.#cancelCheck = this.#checkLater();
  }

  /**
   * Forks a worker that has these modules imported. Null if it must be spawned instead: no isolation of forks works here, or the fork
   * server failed. Waits while the modules are imported, which a spawned worker would have to do as well.
   */
  async fork(program: PythonProgram, modules: readonly string[], start: ForkStart = pythonWorker): Promise<LaunchedWorker | null> {
    if (!this.#deps.isolation.canFork || this.#isClosed) return null;
    const entry = this.#entryOf(program);
    const before = entry.modules.size;
    for (const name of modules) if (entry.modules.size < modulesMax) entry.modules.add(name);
    const hasMore = entry.modules.size > before;
    // Twice: it may be killed between the two, and is then prepared again at once.
    return (await this.#tryToFork(entry, start, hasMore)) ?? (await this.#tryToFork(entry, start, false));
  }

  async #tryToFork(entry: Entry, start: ForkStart, hasMore: boolean): Promise<LaunchedWorker | null> {
    const { clock, log } = this.#deps;
    if (clock.nowMs() < entry.restsUntilMs || this.#isClosed) return null;
    if ((!entry.isReady && entry.preparations === 0) || hasMore) this.#prepare(entry);
    if (!(await entry.ready) || !entry.isReady || entry.server === null) return null;
    try {
      const worker = await entry.server.fork(start);
      entry.workers++;
      entry.cancelIdle();
      void worker.ended.then(() => {
        entry.workers--;
        this.#endIfIdle(entry);
      });
      return worker;
    } catch (error) {
      log.warn({ interpreter: entry.program.interpreter, error: messageOf(error) }, 'failed to fork a worker');
      if (entry.isReady && entry.server?.pid === null) this.#failed(entry, messageOf(error), false);
      return null;
    }
  }

  /** For the disk watch: `worker` is what each of their workers may write. */
  watched(worker: FileUse): readonly WatchedWorker[] {
    return [...this.#running].map((server) => server.watched(worker));
  }

  /** Those that run, start, or rest after a failure. */
  list(): readonly ForkServerView[] {
    const nowMs = this.#deps.clock.nowMs();
    const entries = [...this.#entries.values()];
    const isInUse = (entry: Entry): boolean => entry.server !== null || entry.preparations > 0 || nowMs < entry.restsUntilMs;
    return entries.filter(isInUse).map((entry) => ({
      interpreter: entry.program.interpreter,
      threads: entry.program.threads,
      state: nowMs < entry.restsUntilMs ? 'resting' : entry.isReady ? 'ready' : 'starting',
      pid: entry.server?.pid ?? null,
      rssBytes: entry.server?.rssBytes ?? null,
      workers: entry.workers,
      note: nowMs < entry.restsUntilMs ? entry.note : null,
    }));
  }

  /** Ends all of them. Call it once their workers have ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelCheck();
    for (const entry of this.#entries.values()) {
      entry.cancelIdle();
      entry.cancelRetry();
      entry.server?.kill();
      await entry.ready;
    }
    this.#entries.clear();
    for (const server of this.#running) {
      server.kill();
      await server.ended;
    }
  }

  #entryOf(program: PythonProgram): Entry {
    const key = JSON.stringify([program.interpreter, program.threads, program.hasNetwork]);
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const entry: Entry = {
      program,
      modules: new Set(),
      prepared: null,
      server: null,
      ready: Promise.resolve(false),
      isReady: false,
      preparations: 0,
      workers: 0,
      failures: 0,
      failedAtMs: Number.NEGATIVE_INFINITY,
      restsUntilMs: Number.NEGATIVE_INFINITY,
      note: null,
      cancelIdle: () => undefined,
      cancelRetry: () => undefined,
    };
    this.#entries.set(key, entry);
    return entry;
  }

  /** Prepares it after what it is doing now. */
  #prepare(entry: Entry): void {
    entry.isReady = false;
    entry.preparations++;
    const before = entry.ready;
    const prepared = before.then(async (wasReady) => {
      if (this.#isClosed) return false;
      const isDone = wasReady && entry.prepared === entry.modules.size;
      if (isDone) entry.isReady = true;
      return isDone || (await this.#tryToPrepare(entry));
    });
    entry.ready = prepared.finally(() => {
      entry.preparations--;
    });
  }

  async #tryToPrepare(entry: Entry): Promise<boolean> {
    const { log, clock } = this.#deps;
    const { interpreter, threads } = entry.program;
    const startedMs = clock.nowMs();
    try {
      entry.server ??= await this.#start(entry);
      const modules = [...entry.modules];
      await entry.server.prepare(modules);
      entry.prepared = modules.length;
      entry.isReady = true;
      const rssMiB = Math.round((entry.server.rssBytes ?? 0) / 1024 ** 2);
      log.info({ interpreter, threads, ms: Math.round(clock.nowMs() - startedMs), rssMiB }, 'a fork server is ready');
      this.#endIfIdle(entry);
      return true;
    } catch (error) {
      this.#discard(entry);
      this.#failed(entry, messageOf(error), error instanceof ForkServerUnusable);
      return false;
    }
  }

  async #start(entry: Entry): Promise<ForkServer> {
    const server = await ForkServer.start(this.#deps, entry.program, () => this.#lost(entry, server));
    this.#running.add(server);
    if (this.#isClosed) server.kill();
    void server.ended.then((how) => {
      this.#running.delete(server);
      if (entry.server !== server || this.#isClosed) return;
      entry.server = null;
      if (entry.isReady) this.#failed(entry, how, false);
    });
    return server;
  }

  /** The process with the libraries has ended; its workers run on. The next one is prepared at once, later if that happens often. */
  #lost(entry: Entry, server: ForkServer): void {
    if (entry.server !== server || !entry.isReady || this.#isClosed) return;
    this.#failed(entry, 'the process with the libraries was ended', false);
  }

  /** Ends the process with the libraries. The keeper stays if workers run, because they would end with it. */
  #discard(entry: Entry): void {
    const { server } = entry;
    if (server === null) return;
    if (entry.workers > 0) return server.discard();
    entry.server = null;
    server.kill();
  }

  #failed(entry: Entry, why: string, isUnusable: boolean): void {
    if (this.#isClosed) return;
    const { clock, log } = this.#deps;
    const nowMs = clock.nowMs();
    entry.failures = nowMs - entry.failedAtMs > steadyMs ? 1 : entry.failures + 1;
    entry.failedAtMs = nowMs;
    const restMs = isUnusable ? unusableMs : restartDelayMs(entry.failures);
    entry.isReady = false;
    entry.prepared = null;
    entry.cancelRetry();
    entry.restsUntilMs = nowMs + restMs;
    entry.note = why.slice(0, 1000);
    // If it has no workers, the next one starts it.
    if (entry.workers > 0 && !isUnusable) entry.cancelRetry = clock.after(restMs, () => this.#prepare(entry));
    log.warn({ interpreter: entry.program.interpreter, reason: entry.note, restMs }, 'a fork server failed: workers are spawned meanwhile');
  }

  #endIfIdle(entry: Entry): void {
    entry.cancelIdle();
    if (entry.workers > 0 || this.#isClosed) return;
    entry.cancelIdle = this.#deps.clock.after(idleMs, () => {
      const { server } = entry;
      if (entry.workers > 0 || server === null) return;
      entry.server = null;
      entry.isReady = false;
      entry.prepared = null;
      entry.modules.clear();
      server.kill();
    });
  }

  #checkLater(): () => void {
    return this.#deps.clock.after(checkEveryMs, () => {
      for (const entry of this.#entries.values()) {
        const { server } = entry;
        if (server === null || (server.rssBytes ?? 0) <= memoryBytesMax) continue;
        this.#discard(entry);
        this.#failed(entry, `it used more than ${memoryBytesMax / 1024 ** 3} GiB of memory`, true);
      }
      this.#cancelCheck = this.#checkLater();
    });
  }
}
