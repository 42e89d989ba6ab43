/**
 * A fork server: a Python process that has the libraries of an environment imported and forks workers, so a cold start takes milliseconds
 * instead of seconds. The Python side is `python/penstock_fork_server`; `fork-servers.ts` decides when one runs.
 */
import { chmodSync, chownSync, mkdirSync, unlinkSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { messageOf, PlatformError } from '../../errors.ts';
import { type Frame, FrameReader, kinds, messageFrame, pythonWorkerPath, SharedMemory } from '../../runtime/index.ts';
import type { WatchedWorker } from '../disk/disk-watch.ts';
import type { FileUse } from '../disk/file-use.ts';
import { removeTree } from '../disk/remove-tree.ts';
import type { ForkFolders } from '../isolation/isolation.ts';
import { namespaceNames } from '../isolation/root-folder.ts';
import type { WorkerFolder } from '../isolation/worker-folder.ts';
import type { WorkerPlace } from '../isolation/worker-place.ts';
import type { LaunchedWorker, WorkerProcessDeps } from '../processes/launched-worker.ts';
import { childWithInnerPid, descendantOf, memoryUse } from '../processes/process-facts.ts';
import { ProcessTree } from '../processes/process-tree.ts';
import { SpawnedProcess } from '../processes/spawned.ts';
import { ForkedProcess } from './forked.ts';
import { type PythonProgram, pythonPaths, pythonVariables } from './python-program.ts';

const forkServerPath = join(dirname(pythonWorkerPath), 'penstock_fork_server');
/** The keeper answers within milliseconds of its start, later on a busy machine. */
const helloTimeoutMs = 30_000;
const importTimeoutMs = 60_000;
const forkTimeoutMs = 10_000;
const selfTestTimeoutMs = 5_000;
/** Limits frames from a process that runs code of packages. */
const frameBytesMax = 64 * 1024;

/** What a forked worker runs. */
export interface ForkStart {
  readonly program: string;
  readonly arguments: (worker: { readonly socketPath: string; readonly workerId: string }) => readonly string[];
}

/** The same as a spawned worker of Python runs. */
export const pythonWorker: ForkStart = {
  program: pythonWorkerPath,
  arguments: ({ socketPath, workerId }) => [socketPath, workerId, 'python'],
};

const selfTest: ForkStart = { program: join(forkServerPath, 'self_test.py'), arguments: () => [] };

interface Waiter {
  readonly resolve: (pid: number) => void;
  readonly reject: (error: Error) => void;
}

/** Cannot serve this environment on this machine: a restart does not help. */
export class ForkServerUnusable extends Error {}

/** If it ends, its workers end with it; they are then started again like any that crashed. */
export class ForkServer {
  /** Resolves with the reason when it has ended, and all its workers with it. */
  readonly ended: Promise<string>;
  readonly #deps: WorkerProcessDeps;
  readonly #program: PythonProgram;
  readonly #place: WorkerPlace;
  readonly #folders: ForkFolders;
  readonly #process: SpawnedProcess;
  readonly #socket: Socket;
  readonly #forks = new Map<string, Waiter>();
  readonly #workers = new Map<string, ForkedProcess>();
  /** Ends of workers that were reported together with their start. */
  readonly #endedEarly = new Map<string, number | null>();
  readonly #onLost: () => void;
  #turn: Promise<unknown> = Promise.resolve();
  #prepared: Waiter | null = null;
  #run = 0;
  #forkerPid: number | null = null;
  #hasEnded = false;

  private constructor(
    deps: WorkerProcessDeps,
    program: PythonProgram,
    started: {
      place: WorkerPlace;
      folders: ForkFolders;
      process: SpawnedProcess;
      socket: Socket;
      ended: Promise<string>;
      onLost: () => void;
    },
  ) {
    this.#deps = deps;
    this.#program = program;
    this.#place = started.place;
    this.#folders = started.folders;
    this.#process = started.process;
    this.#socket = started.socket;
    this.#onLost = started.onLost;
    const reader = new FrameReader((frame) => this.#receive(frame), frameBytesMax);
    this.#socket.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch (error) {
        deps.log.warn({ error: String(error) }, 'a fork server sent a malformed frame: ending it');
        this.kill();
      }
    });
    this.#socket.on('error', () => undefined).on('close', () => this.kill());
    this.#socket.resume();
    this.ended = started.ended.then((how) => {
      this.#hasEnded = true;
      this.#forkerPid = null;
      this.#socket.destroy();
      this.#reject(new Error(`the fork server ended: ${how}`));
      for (const worker of this.#workers.values()) worker.end(null);
      return how;
    });
  }

  /** Starts the keeper. Throws `ForkServerUnusable` with the reason if it cannot isolate workers on this machine. */
  static async start(deps: WorkerProcessDeps, program: PythonProgram, onLost: () => void): Promise<ForkServer> {
    const { clock, log, listener, leftovers, isolation } = deps;
    const expected = listener.expect();
    const { workerId } = expected;
    const folder = join(leftovers.workersDirectory, `${workerId}-forks`);
    const memory = leftovers.forkMemory(workerId);
    const folders = { inputs: join(folder, 'in'), own: join(folder, 'own'), memory: memory.path };
    const remove = async (): Promise<void> => {
      try {
        for (const path of [folder, memory.path]) await removeTree(path);
        memory.discard();
      } catch (error) {
        log.warn({ folder, error: String(error) }, 'failed to remove the folders of a fork server');
      }
    };
    let place: WorkerPlace | null = null;
    let spawned: SpawnedProcess;
    try {
      for (const path of Object.values(folders)) {
        mkdirSync(path, { recursive: true, mode: 0o700 });
        isolation.openToWorkers(path);
      }
      const { hasNetwork } = program;
      const paths = [...pythonPaths(program), forkServerPath];
      place = isolation.place({ workerId, isForeign: true, hasNetwork, paths, forks: folders });
      if (place === null) throw new ForkServerUnusable('workers are not isolated here');
      if (place.owner !== null) chownSync(folders.own, place.owner.uid, place.owner.gid);
      const command = [program.interpreter, '-I', '-S', '-u', '-X', 'faulthandler', forkServerPath, place.socketPath, workerId];
      spawned = new SpawnedProcess({
        clock,
        ...place.launch(command),
        cwd: listener.folder,
        environment: { ...place.environment, ...pythonVariables(program), PENSTOCK_WORKER_TOKEN: expected.token },
        memoryFd: null,
        isNamespaced: true,
        startsProcesses: false,
      });
    } catch (error) {
      expected.cancel();
      await place?.end(clock, log);
      await remove();
      throw error;
    }
    spawned.onLine((line, isError) => log[isError ? 'warn' : 'info']({ forkServer: program.interpreter }, line));
    const usedPlace = place;
    const ended = spawned.ended.then(async (how) => {
      await usedPlace.end(clock, log);
      await remove();
      return how;
    });
    if (spawned.outerPid !== null) void ended.then(leftovers.remember(spawned.outerPid));
    const socket = await within(clock, helloTimeoutMs, Promise.race([expected.arrival, ended]));
    if (socket === null || typeof socket === 'string') {
      expected.cancel();
      spawned.kill();
      throw new ForkServerUnusable(`it did not start: ${socket ?? `no hello within ${helloTimeoutMs / 1000} s`}`);
    }
    return new ForkServer(deps, program, { place, folders, process: spawned, socket, ended, onLost });
  }

  /** The process that has the libraries; null while none runs. */
  get pid(): number | null {
    return this.#forkerPid;
  }

  /** Resident memory in bytes; null while no process has the libraries. */
  get rssBytes(): number | null {
    return this.#forkerPid === null ? null : (memoryUse(this.#forkerPid)?.rssBytes ?? null);
  }

  /** For the disk watch. Its folder contains those of its workers, which may have `worker` each. */
  watched(worker: FileUse): WatchedWorker {
    const { own, memory } = this.#folders;
    const count = this.#workers.size;
    return {
      id: `fork-server-${this.#program.interpreter}`,
      written: { folders: [...this.#place.writes.folders, own, memory], sharedMemoryOf: null, processes: () => this.#process.processes },
      archive: { bytes: count * worker.bytes, files: count * worker.files },
      end: (reason) => {
        this.#deps.log.warn({ reason }, 'ending a fork server');
        this.kill();
      },
    };
  }

  /**
   * Imports these modules in a new process, which forks from now on, and tests it. Workers of the previous one are not affected. Throws
   * `ForkServerUnusable` if workers must not be forked here.
   */
  prepare(modules: readonly string[]): Promise<void> {
    return this.#inTurn(() => this.#prepareNow(modules));
  }

  /** Forks a worker. Throws if it could not be started; then nothing of it remains. */
  fork(start: ForkStart): Promise<LaunchedWorker> {
    return this.#inTurn(() => this.#forkNow(start));
  }

  async #prepareNow(modules: readonly string[]): Promise<void> {
    const run = ++this.#run;
    const prepared = new Promise<number>((resolve, reject) => {
      this.#prepared = { resolve, reject };
    });
    this.#send({ method: 'prepare', run, worker: pythonWorkerPath, modules, hasNetwork: this.#program.hasNetwork });
    const pid = await within(this.#deps.clock, importTimeoutMs, prepared);
    if (pid === null) throw new ForkServerUnusable(`its imports took more than ${importTimeoutMs / 1000} s`);
    this.#forkerPid = this.#hostPid(pid);
    const { spawned, ended } = await this.#forkNow(selfTest);
    const how = await within(this.#deps.clock, selfTestTimeoutMs, ended);
    if (this.#forkerPid === null) throw new Error('the process with the libraries was ended');
    if (how === 'exit code 0') return;
    spawned.kill();
    throw new ForkServerUnusable(`its self-test failed: ${how ?? `not done within ${selfTestTimeoutMs / 1000} s`}`);
  }

  async #forkNow(start: ForkStart): Promise<LaunchedWorker> {
    const { clock, listener, leftovers, isolation } = this.#deps;
    const [expected, output] = [listener.expect(), listener.expect()];
    const { workerId } = expected;
    const { inputs, own, memory: memories } = this.#folders;
    const input = join(inputs, workerId);
    const { owner, socketPath, environment } = this.#place;
    const memoryPath = join(memories, workerId);
    const files = isolation.forkedFolder(join(own, workerId), input, owner);
    const cancel = (): void => {
      expected.cancel();
      output.cancel();
    };
    let memory: SharedMemory | null = null;
    try {
      memory = SharedMemory.createNamed(memoryPath, owner);
      if (memory === null) throw new PlatformError('unavailable', `failed to create ${memoryPath}: is /dev/shm full?`);
      // In a file that only this worker sees: what is sent to the fork server is in the memory of all its later workers.
      const note = {
        program: start.program,
        arguments: start.arguments({ socketPath, workerId }),
        environment: { ...environment, ...pythonVariables(this.#program), PENSTOCK_WORKER_TOKEN: expected.token },
        socket: socketPath,
        log: { id: output.workerId, token: output.token },
      };
      const notePath = join(input, 'start.json');
      writeFileSync(notePath, JSON.stringify(note), { mode: 0o640 });
      if (owner !== null) chownSync(notePath, process.getuid?.() ?? 0, owner.gid);
      chmodSync(notePath, 0o640); // whatever the server's umask is
      const pid = await this.#forked(workerId);
      const spawned = new ForkedProcess({ clock, firstPid: this.#hostPid(pid), output: output.arrival });
      this.#workers.set(workerId, spawned);
      const early = this.#hasEnded ? null : this.#endedEarly.get(workerId);
      if (early !== undefined) spawned.end(early);
      this.#endedEarly.delete(workerId);
      const forget = (): void => [memoryPath, notePath].forEach(removeFile); // the worker has read them
      void expected.arrival.then(forget);
      const ended = spawned.ended.then(async (how) => {
        this.#workers.delete(workerId);
        cancel();
        forget();
        await this.#remove(files);
        return how;
      });
      const tree = new ProcessTree(leftovers.workersDirectory, workerId);
      return {
        kind: 'python',
        spawned,
        arrival: expected.arrival,
        ended,
        owner,
        memory,
        files,
        written: { folders: [join(own, workerId)], sharedMemoryOf: null, processes: () => spawned.processes },
        tree,
        directory: namespaceNames.work,
        cancel,
      };
    } catch (error) {
      cancel();
      memory?.close();
      removeFile(memoryPath);
      await this.#remove(files);
      throw error;
    }
  }

  /** Removes the folder of the files that the worker was lent. The keeper removes the others. */
  async #remove(files: WorkerFolder): Promise<void> {
    try {
      await files.remove();
    } catch (error) {
      this.#deps.log.warn({ error: messageOf(error) }, 'failed to remove the folder of a forked worker');
    }
  }

  /** One at a time: a preparation replaces the process that forks. */
  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(task);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  /** Ends the process with the libraries. Its workers run on, and `prepare` starts another. */
  discard(): void {
    this.#forkerPid = null;
    if (!this.#hasEnded) this.#send({ method: 'discard' });
  }

  /** Ends it and all its workers. */
  kill(): void {
    if (!this.#hasEnded) this.#process.kill();
  }

  async #forked(workerId: string): Promise<number> {
    const forked = new Promise<number>((resolve, reject) => this.#forks.set(workerId, { resolve, reject }));
    try {
      this.#send({ method: 'fork', id: workerId });
      const pid = await within(this.#deps.clock, forkTimeoutMs, forked);
      if (pid === null) throw new Error(`the fork server did not fork within ${forkTimeoutMs / 1000} s`);
      return pid;
    } finally {
      this.#forks.delete(workerId);
    }
  }

  #send(message: Readonly<Record<string, unknown>>): void {
    if (this.#hasEnded) throw new Error('the fork server has ended');
    this.#socket.write(messageFrame(0, kinds.call, message));
  }

  /** Messages come from a process in which packages run: nothing in them is trusted without a check. */
  #receive({ message }: Frame): void {
    const { event, id, pid, reason, run, code } = (message ?? {}) as Readonly<Record<string, unknown>>;
    const isCurrent = run === this.#run;
    const why = typeof reason === 'string' ? reason.slice(0, 1000) : '';
    if (event === 'prepared' && isCurrent && typeof pid === 'number') this.#prepared?.resolve(pid);
    if (event === 'unusable' && isCurrent) this.#prepared?.reject(new ForkServerUnusable(why));
    if (event === 'lost' && isCurrent) {
      this.#forkerPid = null;
      this.#reject(new Error(`the fork server lost the process with its libraries: ${why}`));
      this.#onLost();
    }
    if (typeof id !== 'string') return;
    if (event === 'forked' && typeof pid === 'number') this.#forks.get(id)?.resolve(pid);
    // From the forker itself: its forks fail. Otherwise from the keeper, which has no forker now.
    if (event === 'failed') this.#forks.get(id)?.reject(isCurrent ? new ForkServerUnusable(why) : new Error(why));
    if (event !== 'ended') return;
    const exitCode = typeof code === 'number' && Number.isInteger(code) ? code : null;
    if (this.#forks.has(id)) this.#endedEarly.set(id, exitCode);
    else this.#workers.get(id)?.end(exitCode);
  }

  #reject(error: Error): void {
    this.#prepared?.reject(error);
    this.#prepared = null;
    for (const { reject } of this.#forks.values()) reject(error);
  }

  /** A child of the keeper; so no message can make the server signal or limit a process outside of the namespace. */
  #hostPid(innerPid: number): number | null {
    const outer = this.#process.outerPid;
    const keeper = outer === null ? null : descendantOf(outer, 1);
    return keeper === null ? null : childWithInnerPid(keeper, innerPid);
  }
}

/** A package of the environment may have put anything in its place. */
function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It was removed before, or is not a file: the folder is removed with the fork server.
  }
}

/** Null if the promise is pending for too long. */
async function within<T>(clock: WorkerProcessDeps['clock'], timeoutMs: number, promise: Promise<T>): Promise<T | null> {
  let cancel = (): void => undefined;
  const late = new Promise<null>((resolve) => {
    cancel = clock.after(timeoutMs, () => resolve(null));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    cancel();
  }
}
