/** One process of a worker, from its spawn to its end. `supervised-worker.ts` handles its task and its restarts. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import type { Clock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import { WorkerLink } from '../../runtime/index.ts';
import type { Cgroups, WorkerGroup } from '../cgroups/cgroups.ts';
import type { WrittenFiles } from '../disk/file-use.ts';
import { processesMax } from '../isolation/launch.ts';
import { ForkedProcess } from '../python/forked.ts';
import { type HangingStack, hangingStack, stackLinesRead } from '../python/hanging-stack.ts';
import { type LaunchedWorker, spawnWorker, type WorkerProcessDeps, type WorkerProgram } from './launched-worker.ts';
import { anonymousBytes, cpuMs, limitAddressSpace, memoryUse, treeCpuMs, treeRssBytes } from './process-facts.ts';
import type { ProcessTree } from './process-tree.ts';
import type { ProcessExit } from './shell-exit.ts';
import type { Spawned } from './spawned.ts';

/** Boot and loading of onnxruntime: 50 ms, a second from a cold disk, more on a machine that swaps. */
const helloTimeoutMs = 30_000;
/** SIGTERM ends a worker at once; only one that is stopped or stuck in the kernel outlives it. */
const graceMs = 2_000;
/** A worker that started a process gives that process 30 s to end. */
const treeGraceMs = 32_000;
/** A worker prints its stack within milliseconds. It hangs, so it loses nothing by the wait. */
const stackMs = 500;
/** Maximum age of a cached memory reading of its processes. */
const rssAgeMsMax = 250;
/** Added to the limit and the size of a process without a model, for fragments, stacks and arenas that are reserved but not used. */
const addressSpaceSlackMiB = 512;

/** Exists only after its hello: a process that never says it is ended by its launch. */
export class WorkerProcess {
  /** The pid of the worker itself, even if it runs in a pid namespace. */
  readonly pid: number;
  readonly link: WorkerLink;
  /** How it ended: `exit code 1: last lines` or `killed by SIGKILL`. */
  readonly ended: Promise<string>;
  readonly #clock: Clock;
  readonly #spawned: Spawned;
  readonly #owner: LaunchedWorker['owner'];
  readonly #cgroups: Cgroups;
  /** The processes of a worker that starts any; otherwise null. */
  readonly tree: ProcessTree | null;
  #treeRss = { bytes: 0, atMs: Number.NEGATIVE_INFINITY };
  readonly #graceMs: number;
  readonly #isPython: boolean;
  #listener: (line: string, requestIds: readonly string[]) => void = () => undefined;
  /** What it prints while its stack is read; otherwise null. */
  #stackLines: string[] | null = null;
  /** Where it writes. */
  readonly written: WrittenFiles;
  /** Whether a fork server started it. */
  readonly isForked: boolean;
  #hasEnded = false;
  #group: WorkerGroup | null = null;
  #heldMemoryMiB = 0;
  #wasTooLarge = false;

  /** The folder for the archive of a command, as seen by the worker; null for a worker of ONNX models. */
  readonly directory: string | null;

  private constructor({ clock, cgroups, log }: WorkerProcessDeps, launched: LaunchedWorker, socket: Socket) {
    const { spawned, memory, files } = launched;
    this.#clock = clock;
    this.#cgroups = cgroups;
    this.#spawned = spawned;
    this.#owner = launched.owner;
    this.tree = launched.tree;
    this.directory = launched.directory;
    this.written = launched.written;
    this.isForked = spawned instanceof ForkedProcess;
    this.#isPython = launched.kind === 'python';
    spawned.onLine((line, isError, call) => {
      logLine(log, this.pid, line, isError);
      const isStack = this.#stackLines !== null;
      if (this.#stackLines !== null && this.#stackLines.length < stackLinesRead) this.#stackLines.push(line);
      this.#listener(line, isStack ? this.link.openRequests : this.link.requestsOf(call));
    });
    this.#graceMs = launched.kind === 'process' ? treeGraceMs : graceMs;
    assert(spawned.pid !== null, 'a worker that said hello has a pid');
    this.pid = spawned.pid;
    this.link = new WorkerLink(socket, memory, files, this.pid);
    this.link.onClose(() => this.kill()); // a worker is useless without its link
    this.ended = launched.ended.then((how) => {
      this.#hasEnded = true;
      this.link.close();
      return this.#leaveGroup() ?? how;
    });
  }

  /**
   * Resolves when it has sent its hello, with onnxruntime loaded. Throws `unavailable` with its last lines, or if a command must
   * be isolated and no isolation works here.
   */
  static async start(deps: WorkerProcessDeps, access: WorkerProgram = null): Promise<WorkerProcess> {
    return WorkerProcess.admit(deps, await spawnWorker(deps, access));
  }

  /** Waits for the hello of a worker that was just started. */
  static async admit(deps: WorkerProcessDeps, launched: LaunchedWorker): Promise<WorkerProcess> {
    const { spawned, memory } = launched;
    spawned.onLine((line, isError) => logLine(deps.log, spawned.pid, line, isError));
    let cancel = () => {};
    const late = new Promise<string>((resolve) => {
      cancel = deps.clock.after(helloTimeoutMs, () => resolve(`no hello within ${helloTimeoutMs / 1000} s`));
    });
    const first = await Promise.race([launched.arrival, launched.ended, late]);
    cancel();
    if (typeof first !== 'string' && spawned.pid !== null) return new WorkerProcess(deps, launched, first);
    launched.cancel();
    spawned.kill();
    memory?.close();
    throw new PlatformError('unavailable', `failed to start a worker process: ${typeof first === 'string' ? first : await launched.ended}`);
  }

  /** Sets the listener for each line that it prints, with the ids of the requests that it ran meanwhile, if the line is theirs. */
  onLine(listener: (line: string, requestIds: readonly string[]) => void): void {
    this.#listener = listener;
  }

  /** How the process itself ended. */
  get exit(): ProcessExit {
    return this.#spawned.exit;
  }

  /** Its last output, by lines. */
  get lastLines(): string {
    return this.#spawned.lines.toString();
  }

  /** Whether the system enforces its memory limit, so that no polling is needed. */
  get isMemoryHeld(): boolean {
    return this.#group?.holdsMemory === true && this.#heldMemoryMiB > 0;
  }

  /** Whether the system ended it at its memory limit. */
  get wasTooLarge(): boolean {
    return this.#wasTooLarge;
  }

  /** Resident memory in bytes, including the processes it has started. */
  rssBytes(): number | null {
    if (this.#hasEnded) return null;
    if (this.tree === null) return memoryUse(this.pid)?.rssBytes ?? null;
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#treeRss.atMs > rssAgeMsMax) this.#treeRss = { bytes: treeRssBytes(this.pid), atMs: nowMs };
    return this.#treeRss.bytes;
  }

  /** CPU time so far in milliseconds, including the processes it has started. */
  cpuMs(): number | null {
    if (this.#hasEnded) return null;
    return this.tree === null ? cpuMs(this.pid) : treeCpuMs(this.pid);
  }

  /**
   * Makes larger allocations fail cleanly; 0 for no limit. Resolves to false if the system does not allow it, or if the worker runs a
   * command, which may reserve addresses freely.
   */
  async limitMemory(memoryMiB: number): Promise<boolean> {
    if (this.tree !== null) return false;
    const use = memoryUse(this.pid);
    if (memoryMiB <= 0 || use === null) return false;
    return limitAddressSpace(this.pid, use.addressSpaceBytes + (memoryMiB + addressSpaceSlackMiB) * 1024 ** 2, this.#owner);
  }

  /**
   * Limits its memory, including what it already uses, if the provider can (`limits.memory`). Beyond the limit the system ends it, and
   * `ended` has that reason. Creates the group that `limitCpu` needs.
   */
  holdMemory(memoryMiB: number): void {
    if (this.#hasEnded || this.#group !== null) return;
    this.#heldMemoryMiB = memoryMiB;
    // Memory allocated before stays charged to the old group.
    const takenMiB = (anonymousBytes(this.pid) ?? 0) / 1024 ** 2;
    const heldMiB = memoryMiB <= 0 ? null : memoryMiB - takenMiB;
    this.#group = this.#cgroups.hold(this.pid, heldMiB, this.tree === null ? null : processesMax);
  }

  /** Limits it to this number of CPUs from now on. False if that is not possible. */
  limitCpu(vcpu: number): boolean {
    return this.#group?.limitCpu(vcpu) ?? false;
  }

  kill(): void {
    if (this.#hasEnded) return;
    this.#spawned.kill();
  }

  /** Ends it because it hangs. A Python worker prints its stack before; otherwise the result is null. Resolves when the end is under way. */
  async killHanging(): Promise<HangingStack | null> {
    if (this.#hasEnded) return null;
    if (!this.#isPython) {
      this.kill();
      return null;
    }
    const printed: string[] = [];
    this.#stackLines = printed;
    this.#spawned.requestStack();
    let cancel = (): void => undefined;
    const late = new Promise<void>((resolve) => {
      cancel = this.#clock.after(stackMs, resolve);
    });
    await Promise.race([late, this.ended]);
    cancel();
    this.#stackLines = null;
    this.kill();
    const stack = hangingStack(printed);
    return stack.lines.length === 0 ? null : stack;
  }

  /** SIGTERM, grace period, SIGKILL; resolves when it has ended. */
  async stop(): Promise<void> {
    if (this.#hasEnded) return;
    this.#spawned.terminate();
    const cancel = this.#clock.after(this.#graceMs, () => this.kill());
    await this.ended;
    cancel();
  }

  /** Leaves the group. Returns the reason if the limit of the group ended the process, otherwise null. */
  #leaveGroup(): string | null {
    const group = this.#group;
    if (group === null) return null;
    this.#group = null;
    this.#wasTooLarge = group.memoryKills() > 0;
    group.remove();
    return this.#wasTooLarge ? `it exceeded its memory limit of ${this.#heldMemoryMiB} MiB, and the system ended it` : null;
  }
}

function logLine(log: Log, pid: number | null, line: string, isError: boolean): void {
  log[isError ? 'warn' : 'info']({ worker: pid }, line);
}
