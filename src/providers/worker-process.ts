/** One process of a worker, from its spawn to its end. What runs in it and whether it is started again is for others. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Clock } from '../clock.ts';
import { messageOf, PlatformError } from '../errors.ts';
import type { Log } from '../monitoring/index.ts';
import { LastLines, SharedMemory, WorkerLink, workerMainPath } from '../runtime/index.ts';
import type { Cgroups, WorkerGroup } from './cgroups.ts';
import type { Leftovers } from './leftovers.ts';
import { anonymousBytes, cpuMs, limitAddressSpace, memoryUse, treeCpuMs, treeRssBytes } from './process-facts.ts';
import { killGroup, type ProcessTree } from './process-tree.ts';
import type { WorkerDoor } from './worker-door.ts';

export interface ProcessSurroundings {
  readonly clock: Clock;
  readonly log: Log;
  readonly door: WorkerDoor;
  readonly leftovers: Leftovers;
  readonly cgroups: Cgroups;
  /** Where Node keeps compiled code: a worker boots in 40 ms instead of 90 ms (2 cores, sources of a checkout). */
  readonly compileCache: string;
}

/** Boot and loading of onnxruntime: 50 ms, a second from a cold disk, more on a machine that swaps. */
const helloTimeoutMs = 30_000;
/** SIGTERM ends a worker at once; only one that is stopped or stuck in the kernel outlasts it. */
const graceMs = 2_000;
/** One that has started a process gives it 30 s of its own. */
const treeGraceMs = 32_000;
/** Its processes are looked through for their memory so often at most. */
const rssAgeMsMax = 250;
/** Above memory and what the bare process takes: fragments, stacks and arenas that are reserved but not used. */
const addressSpaceSlackMiB = 512;

/** WebAssembly (Node's own, for TypeScript) reserves 10 GiB of addresses unless told not to: more than the limit leaves. */
const nodeOptions = ['--disable-wasm-trap-handler'];

/** `process`: it will start a command, and has no onnxruntime. */
export type WorkerKind = 'onnx' | 'process';

/** The environment a worker needs. Keys, addresses and NODE_OPTIONS of the server are none of a model's business. */
const environmentNames = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'LD_LIBRARY_PATH'];

interface Ear {
  hear: ((line: string) => void) | null;
  readonly lines: LastLines;
}

export class WorkerProcess {
  readonly pid: number;
  readonly link: WorkerLink;
  /** How it ended: `exit code 1: last lines` or `killed by SIGKILL`. */
  readonly ended: Promise<string>;
  readonly #clock: Clock;
  readonly #child: ChildProcess;
  readonly #cgroups: Cgroups;
  /** Of one that starts processes; else null. */
  readonly tree: ProcessTree | null;
  #treeRss = { bytes: 0, atMs: Number.NEGATIVE_INFINITY };
  readonly #ear: Ear;
  #hasEnded = false;
  #group: WorkerGroup | null = null;
  #heldMemoryMiB = 0;
  #wasTooLarge = false;

  private constructor(
    { clock, cgroups }: ProcessSurroundings,
    child: ChildProcess,
    link: WorkerLink,
    ended: Promise<string>,
    tree: ProcessTree | null,
    ear: Ear,
  ) {
    this.#ear = ear;
    this.pid = child.pid as number;
    this.link = link;
    this.#clock = clock;
    this.#cgroups = cgroups;
    this.#child = child;
    this.tree = tree;
    link.onClose(() => this.kill()); // without its link a worker is of no use
    this.ended = ended.then((how) => {
      this.#hasEnded = true;
      link.close();
      return this.#leaveGroup() ?? how;
    });
  }

  /** Resolves when it has said hello, onnxruntime loaded. Throws `unavailable` with its last lines. */
  static async start(surroundings: ProcessSurroundings, kind: WorkerKind = 'onnx'): Promise<WorkerProcess> {
    const { clock, log, door, leftovers, compileCache } = surroundings;
    const invitation = door.invite();
    const grown = kind === 'onnx' ? null : leftovers.treeOf(invitation.workerId);
    const memory = SharedMemory.create(invitation.workerId);
    const child = spawn(process.execPath, [...nodeOptions, workerMainPath, door.path, invitation.workerId, kind], {
      cwd: door.folder, // private, and removed at the end: where a crash may leave its core
      env: { ...keptEnvironment(), NODE_COMPILE_CACHE: compileCache, PENSTOCK_WORKER_TOKEN: invitation.token },
      stdio: ['ignore', 'pipe', 'pipe', memory?.fd ?? 'ignore'], // the fourth: see shared-memory.ts
      detached: true, // Ctrl-C is for the server, which drains first
    });
    const lines = new LastLines();
    const ear: Ear = { hear: null, lines };
    const ended = endOf(child, lines).then(async (how) => {
      await grown?.tree.end(clock, log);
      grown?.forget();
      return how;
    });
    if (child.pid !== undefined) {
      void ended.then(leftovers.remember(child.pid));
      const hear = (level: 'info' | 'warn') => (line: string) => {
        log[level]({ worker: child.pid }, line);
        ear.hear?.(line);
      };
      if (child.stdout !== null) lines.follow(child.stdout, hear('info'));
      if (child.stderr !== null) lines.follow(child.stderr, hear('warn'));
      if (grown !== null) child.once('exit', () => killGroup(child.pid as number)); // its pipes may be held open by them
    } // else nothing was spawned, not even its streams; `ended` tells why
    let cancel = () => {};
    const late = new Promise<string>((resolve) => {
      cancel = clock.after(helloTimeoutMs, () => resolve(`no hello within ${helloTimeoutMs / 1000} s`));
    });
    const first = await Promise.race([invitation.arrival, ended, late]);
    cancel();
    if (typeof first === 'string') {
      invitation.cancel();
      child.kill('SIGKILL');
      memory?.close();
      throw new PlatformError('unavailable', `a worker process did not start: ${first}`);
    }
    return new WorkerProcess(surroundings, child, new WorkerLink(first, memory), ended, grown?.tree ?? null, ear);
  }

  /** Whoever has taken it is told of each line that it prints. */
  hear(listener: (line: string) => void): void {
    this.#ear.hear = listener;
  }

  /** How the process itself ended; the code is null where a signal did it, and both are while it runs. */
  get exit(): { readonly code: number | null; readonly signal: string | null } {
    return { code: this.#child.exitCode, signal: this.#child.signalCode };
  }

  /** What it printed last, by lines. */
  get lastLines(): string {
    return this.#ear.lines.toString();
  }

  /** Whether the system watches over its memory, so that nobody else need do so. */
  get isMemoryHeld(): boolean {
    return this.#group?.holdsMemory === true && this.#heldMemoryMiB > 0;
  }

  /** Whether the system ended it at its memory limit. */
  get wasTooLarge(): boolean {
    return this.#wasTooLarge;
  }

  /** With that of the processes it has started. */
  rssBytes(): number | null {
    if (this.#hasEnded) return null;
    if (this.tree === null) return memoryUse(this.pid)?.rssBytes ?? null;
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#treeRss.atMs > rssAgeMsMax) this.#treeRss = { bytes: treeRssBytes(this.pid), atMs: nowMs };
    return this.#treeRss.bytes;
  }

  /** Time on processors so far, in milliseconds, with that of the processes it has started. */
  cpuMs(): number | null {
    if (this.#hasEnded) return null;
    return this.tree === null ? cpuMs(this.pid) : treeCpuMs(this.pid);
  }

  /** Makes larger allocations fail cleanly; 0 for no limit. False where the system does not allow it, or a process reserves what it likes. */
  async limitMemory(memoryMiB: number): Promise<boolean> {
    if (this.tree !== null) return false;
    const use = memoryUse(this.pid);
    if (memoryMiB <= 0 || use === null) return false;
    return limitAddressSpace(this.pid, use.addressSpaceBytes + (memoryMiB + addressSpaceSlackMiB) * 1024 ** 2);
  }

  /**
   * Holds it to so much memory, that which it has already included, where the provider can (`limits.memory`): beyond
   * that the system ends it, and `ended` says so. Has a group made, which `limitCpu` needs.
   */
  holdMemory(memoryMiB: number): void {
    if (this.#hasEnded || this.#group !== null) return;
    this.#heldMemoryMiB = memoryMiB;
    // What was taken before stays with the group it was taken in.
    const takenMiB = (anonymousBytes(this.pid) ?? 0) / 1024 ** 2;
    this.#group = this.#cgroups.hold(this.pid, memoryMiB <= 0 ? null : memoryMiB - takenMiB);
  }

  /** Holds it to so many processors from now on. False where that cannot be done. */
  limitCpu(vcpu: number): boolean {
    return this.#group?.limitCpu(vcpu) ?? false;
  }

  kill(): void {
    if (this.#hasEnded) return;
    this.#child.kill('SIGKILL');
    if (this.tree !== null) killGroup(this.pid);
  }

  /** SIGTERM, grace, SIGKILL; resolves when it has ended. */
  async stop(): Promise<void> {
    if (this.#hasEnded) return;
    this.#child.kill('SIGTERM');
    const cancel = this.#clock.after(this.tree === null ? graceMs : treeGraceMs, () => this.kill());
    await this.ended;
    cancel();
  }

  /** Why the group's limit ended it; null if it did not. */
  #leaveGroup(): string | null {
    const group = this.#group;
    if (group === null) return null;
    this.#group = null;
    this.#wasTooLarge = group.memoryKills() > 0;
    group.remove();
    return this.#wasTooLarge ? `it needed more than its memory limit of ${this.#heldMemoryMiB} MiB, and the system ended it` : null;
  }
}

function keptEnvironment(): Record<string, string> {
  return Object.fromEntries(
    environmentNames.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** Resolves once it has ended and all it printed is read. */
async function endOf(child: ChildProcess, lines: LastLines): Promise<string> {
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    const how = signal === null ? `exit code ${code}` : `killed by ${signal}`;
    const said = lines.toString();
    return said === '' ? how : `${how}: ${said}`;
  } catch (error) {
    return `it could not be spawned: ${messageOf(error)}`; // 'error' instead of 'close': no processes or files left
  }
}
